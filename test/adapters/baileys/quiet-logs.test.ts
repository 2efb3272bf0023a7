import { describe, expect, it } from 'vitest'
import { quietLogs } from '../../../src/adapters/baileys/quiet-logs.ts'

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
