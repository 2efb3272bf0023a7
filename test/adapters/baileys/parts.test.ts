import { describe, expect, it, vi } from 'vitest'
import { DEFAULT_CONNECTION_CONFIG } from '@whiskeysockets/baileys'
import { lazyGateway } from '../../../src/adapters/baileys/lazy.ts'
import { quietLogs } from '../../../src/adapters/baileys/quiet-logs.ts'
import { createTurnstile } from '../../../src/adapters/baileys/turnstile.ts'
import { createVersions } from '../../../src/adapters/baileys/version.ts'

describe('the turnstile', () => {
  const never = new AbortController().signal
  it('lets so many in at once, and the others in the order in which they came', async () => {
    const enter = createTurnstile(2)
    const order: number[] = []
    const leaves = [await enter(never), await enter(never)]
    const waiting = [3, 4].map(async (n) => {
      const leave = await enter(never)
      order.push(n)
      return leave
    })
    expect(order).toEqual([])
    leaves[0]?.()
    leaves[0]?.()
    await waiting[0]
    expect(order).toEqual([3])
    leaves[1]?.()
    await Promise.all(waiting)
    expect(order).toEqual([3, 4])
  })
  it('nobody who gave up takes a place', async () => {
    const enter = createTurnstile(1)
    const leave = await enter(never)
    const impatient = new AbortController()
    const gaveUp = enter(impatient.signal)
    const patient = enter(never)
    impatient.abort()
    await expect(gaveUp).rejects.toThrow()
    leave()
    await patient
  })
})

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

describe('the log of the library', () => {
  it('keeps its words, and nothing that it shows beside them', () => {
    const lines: unknown[] = []
    const logger = quietLogs((level, text, fields) => lines.push([level, text, fields]), 'one')
    const key = 'x'.repeat(44)
    logger.error(
      { err: new Error(`no session for 5511988887777`), privKey: key, text: 'secret' },
      `failed ${key}`,
    )
    logger.child({ key }).warn('Invalid LID-PN mapping: 100000000000001@lid')
    logger.info({ key }, 'connected')
    expect(lines).toEqual([
      ['warn', 'failed …', { instance: 'one', error: 'no session for …' }],
      ['debug', 'Invalid LID-PN mapping: …@lid', { instance: 'one' }],
    ])
  })
})

describe('a gateway that is loaded late', () => {
  it('is loaded with the first call, once, and again if that failed', async () => {
    const load = vi.fn(() => Promise.reject<never>(new Error('not there')))
    const gateway = lazyGateway(load)
    expect(gateway.connected('one')).toBe(false)
    await gateway.stop()
    expect(load).not.toHaveBeenCalled()
    await expect(gateway.groups.list('one')).rejects.toThrow('not there')
    await expect(gateway.pairingCode('one', '5511988887777')).rejects.toThrow('not there')
    expect(load).toHaveBeenCalledTimes(2)
  })
})
