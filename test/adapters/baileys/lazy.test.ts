import { describe, expect, it, vi } from 'vitest'
import { lazyGateway } from '../../../src/adapters/baileys/lazy.ts'

describe('a gateway that is loaded late', () => {
  it('is loaded with the first call, once, and again if that failed', async () => {
    const load = vi.fn(() => Promise.reject(new Error('not there')))
    const gateway = lazyGateway(load)
    expect(gateway.connected('one')).toBe(false)
    await gateway.stop()
    expect(load).not.toHaveBeenCalled()
    await expect(gateway.groups.list('one')).rejects.toThrow('not there')
    await expect(gateway.pairingCode('one', '5511988887777')).rejects.toThrow('not there')
    expect(load).toHaveBeenCalledTimes(2)
  })
})
