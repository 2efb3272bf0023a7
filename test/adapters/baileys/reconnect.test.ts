import { describe, expect, it } from 'vitest'
import { backoffMs, verdictOn } from '../../../src/adapters/baileys/reconnect.ts'

const again = { kind: 'reconnect', when: 'backoff', reason: 'connection_lost' }
const blocked = { kind: 'stop', reason: 'account_blocked', alarm: expect.stringContaining('blocked') }

describe('what the end of a socket means', () => {
  it.each([
    [
      515,
      'Stream Errored (restart required)',
      { kind: 'reconnect', when: 'now', reason: 'restart_required' },
    ],
    [401, 'Connection Failure', { kind: 'stop', reason: 'logged_out', wipes: true }],
    [401, 'Stream Errored (conflict)', { kind: 'stop', reason: 'logged_out', wipes: true }],
    [402, 'Connection Failure', blocked],
    [403, 'Connection Failure', blocked],
    [406, 'Connection Failure', blocked],
    [
      405,
      'Connection Failure',
      { ...again, reason: 'version_refused', wantsVersion: true, alarm: expect.stringContaining('version') },
    ],
    [408, 'Connection was lost', again],
    [408, 'QR refs attempts ended', { kind: 'stop', reason: 'qr_expired' }],
    [411, 'Multi-device beta not joined', { kind: 'stop', reason: 'multi_device_mismatch' }],
    [428, 'Connection Terminated', again],
    [500, 'Connection Failure', again],
    [503, 'Stream Errored (unknown)', again],
    [409, 'Connection Failure', again],
    [1006, 'The connection was closed', again],
    [undefined, 'HTTP 503 instead of a WebSocket', again],
  ])('%s, "%s"', (code, message, verdict) => {
    expect(verdictOn({ code, message }, false)).toMatchObject(verdict)
  })

  it('another connection with the same keys is given way to, and tried once more', () => {
    const ending = { code: 440, message: 'Stream Errored (conflict)' }
    expect(verdictOn(ending, false)).toMatchObject({ kind: 'reconnect', when: 'slowly', reason: 'replaced' })
    expect(verdictOn(ending, true)).toMatchObject({ kind: 'stop', reason: 'replaced' })
  })

  it('only WhatsApp itself ends a pairing: what a proxy answers never wipes keys or stops', () => {
    for (const code of [401, 403, 405, 440]) {
      const ending = { code, message: `WebSocket Error (Unexpected server response: ${code})` }
      expect(verdictOn(ending, true)).toEqual(again)
    }
  })

  it('keys go with the pairing alone', () => {
    const wiping = Array.from({ length: 200 }, (_, n) => n + 400).filter((code) => {
      const verdict = verdictOn({ code, message: 'Connection Failure' }, true)
      return verdict.kind === 'stop' && verdict.wipes
    })
    expect(wiping).toEqual([401])
  })
})

describe('the pause before the next socket', () => {
  const limits = { minMs: 1000, maxMs: 60_000 }
  it('doubles its limit with every failure, up to a minute', () => {
    const longest = [0, 1, 2, 5, 6, 100, 5000].map((failures) => backoffMs(failures, limits, () => 1))
    expect(longest).toEqual([1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000])
  })
  it('is anywhere below its limit', () => {
    expect([0, 0.25, 0.5].map((random) => backoffMs(3, limits, () => random))).toEqual([0, 2000, 4000])
  })
})
