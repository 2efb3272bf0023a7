import { describe, expect, it, vi } from 'vitest'
import { DEFAULT_CONNECTION_CONFIG } from '@whiskeysockets/baileys'
import { createVersions } from '../../../src/adapters/baileys/version.ts'

describe('the version to appear as', () => {
  const builtIn = DEFAULT_CONNECTION_CONFIG.version
  it('is that of the settings, whatever WhatsApp would say', async () => {
    const ask = vi.fn()
    const versions = createVersions({ fixed: '2.3000.1234567890', isReal: true, ask })
    expect(await versions.current()).toEqual([2, 3000, 1_234_567_890])
    expect(ask).not.toHaveBeenCalled()
  })
  it('is asked of WhatsApp alone, and once a day', async () => {
    let now = 1_800_000_000_000
    const ask = vi.fn(() => Promise.resolve<[number, number, number]>([2, 3000, 7]))
    const simulated = createVersions({ isReal: false, ask })
    expect(await simulated.current()).toEqual(builtIn)
    const versions = createVersions({ isReal: true, ask, now: () => now })
    expect(await Promise.all([versions.current(), versions.current()])).toEqual([
      [2, 3000, 7],
      [2, 3000, 7],
    ])
    expect(ask).toHaveBeenCalledTimes(1)
    now += 25 * 3_600_000
    await versions.current()
    expect(ask).toHaveBeenCalledTimes(2)
  })
  it('is the last good one, or that of the library, when there is no answer', async () => {
    const answers = [
      Promise.resolve<[number, number, number]>([2, 3000, 7]),
      Promise.reject(new Error('down')),
    ]
    const versions = createVersions({
      isReal: true,
      ask: () => answers.shift() ?? Promise.resolve(undefined),
    })
    expect(await versions.current()).toEqual([2, 3000, 7])
    versions.doubt()
    expect(await versions.current()).toEqual([2, 3000, 7])
    const silent = createVersions({ isReal: true, ask: () => Promise.resolve(undefined) })
    expect(await silent.current()).toEqual(builtIn)
  })
})
