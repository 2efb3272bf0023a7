import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createCipher } from '../../../src/adapters/baileys/cipher.ts'
import { createGoodbye } from '../../../src/adapters/baileys/goodbye.ts'
import { forgetSession, openSessionStore } from '../../../src/adapters/baileys/session-store.ts'
import { createVersions } from '../../../src/adapters/baileys/version.ts'
import { createPlaces } from '../../../src/places.ts'
import { testPool } from '../../support/database.ts'

it('does not end before its session is open, however slow the database is, or a deletion would come too early', async () => {
  const pool = await testPool()
  const opened: string[] = []
  const sayGoodbye = createGoodbye({
    url: 'ws://127.0.0.1:1',
    network: {},
    openStore: async (ref) => {
      await sleep(50)
      opened.push(ref.instanceId)
      return openSessionStore({ pool, cipher: createCipher(randomBytes(32)), onError: () => {} }, ref)
    },
    versions: createVersions({ isReal: false }),
    logins: createPlaces(1),
    write: () => {},
    timing: { callMs: 1000, goodbyeMs: 1 },
  })
  const instanceId = randomUUID()
  await sayGoodbye(instanceId).catch(() => {})
  expect(opened).toEqual([instanceId])
  await forgetSession(pool, instanceId)
  expect((await pool.query('select from whatsapp_session')).rowCount).toBe(0)
})
