import { expect, it } from 'vitest'
import { createCaches } from '../../../src/adapters/baileys/caches.ts'

it('what the sockets of a session know is bounded: the newest of each kind, and the kinds apart', async () => {
  const { userDevicesCache: devices, msgRetryCounterCache: retries } = createCaches()
  for (let n = 0; n <= 5000; n++) await devices.set(String(n), n)
  expect([await devices.get('0'), await devices.get('1'), await devices.get('5000')]).toEqual([
    undefined,
    1,
    5000,
  ])
  expect(await retries.get('1')).toBeUndefined()
})
