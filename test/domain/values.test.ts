import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { conversationId, messageId, outgoingWhatsappId, publicEventId, userId } from '../../src/domain/ids.ts'
import { isGroup, numberOf, offsetTime, toJid } from '../../src/domain/values.ts'
import { INSTANCE, JOHN, TEAM } from '../support/facts.ts'

describe('a person or group is one JID', () => {
  test.each([
    '5511999999999',
    '+5511999999999',
    '+55 11 99999-9999',
    '+55 (11) 99999.9999',
    '  5511999999999 ',
    '5511999999999@s.whatsapp.net',
    '5511999999999:12@s.whatsapp.net',
    '5511999999999@c.us',
  ])('written as %j', (spelling) => expect(toJid(spelling, 'recipient')).toBe(JOHN))

  test.each([
    [TEAM, TEAM],
    ['5511999999999-1234567890@g.us', '5511999999999-1234567890@g.us'],
    ['123456789012345@lid', '123456789012345@lid'],
    ['123456789012345:3@lid', '123456789012345@lid'],
  ])('%s stays what it is, without its device', (jid, expected) => expect(toJid(jid, 'to')).toBe(expected))

  test.each([
    '',
    'John',
    '1234',
    '5'.repeat(21),
    '٥٥١١٩٩٩٩٩٩٩٩٩',
    '5511999999999x',
    '@s.whatsapp.net',
    'john@s.whatsapp.net',
    '5511999999999@example.com',
    '5511999999999@s.whatsapp.net@example.com',
    'team@g.us',
    '@lid',
    'john doe@lid',
    'status@broadcast',
  ])('%j is refused by the name of its field', (text) =>
    expect(() => toJid(text, 'recipient')).toThrow(
      expect.objectContaining({
        code: 'VALIDATION_FAILED',
        details: { recipient: [expect.stringContaining('5511999999999')] },
      }),
    ),
  )

  test('a JID is its own JID, whatever it was made of', () =>
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'0123456789+-() .:@', 's.whatsapp.net', 'g.us', 'lid') }),
        (text) => {
          let jid: string
          try {
            jid = toJid(text, 'to')
          } catch {
            return
          }
          expect(jid).toMatch(/^\d[\d-]{4,39}@(s\.whatsapp\.net|g\.us|lid)$/)
          expect(toJid(jid, 'to')).toBe(jid)
        },
      ),
      { numRuns: 2000 },
    ))

  test('the number of a JID is what stands before its device and server', () => {
    expect(numberOf(JOHN)).toBe('5511999999999')
    expect(numberOf('5511999999999:12@s.whatsapp.net')).toBe('5511999999999')
    expect(numberOf(TEAM)).toBe('120363001234567890')
  })
  test('groups are told from people', () => {
    expect([isGroup(TEAM), isGroup(JOHN), isGroup('5511999999999')]).toEqual([true, false, false])
  })
})

test('public times are in UTC with an offset, to the second', () => {
  expect(offsetTime('2025-01-15T10:30:00.123Z')).toBe('2025-01-15T10:30:00+00:00')
  expect(offsetTime('2025-01-15T07:30:00-03:00')).toBe('2025-01-15T10:30:00+00:00')
})

describe('ids', () => {
  test('derive from what they identify, and from nothing else', () => {
    expect(messageId(INSTANCE, 'A')).toBe(messageId(INSTANCE, 'A'))
    const different = [
      messageId(INSTANCE, 'A'),
      messageId(INSTANCE, 'B'),
      messageId('other', 'A'),
      conversationId(INSTANCE, 'A'),
    ]
    expect(new Set(different).size).toBe(different.length)
    expect(publicEventId('a', 0)).not.toBe(publicEventId('a', 1))
  })
  test('stay what they are: a change would orphan every stream', () => {
    expect(messageId(INSTANCE, '3EB0ABC123456789')).toMatchInlineSnapshot(
      `"22c2d3a5-4fe2-57c1-a68e-0e1c3b728dd0"`,
    )
    expect(conversationId(INSTANCE, JOHN)).toMatchInlineSnapshot(`"ff04ee12-1f1c-519b-9064-f317275a340c"`)
    expect(userId('user@example.com')).toMatchInlineSnapshot(`"e2c8803d-dbed-588b-a59f-4245fc3043b1"`)
  })
  test('an address has one account, whatever its letter case', () =>
    expect(userId(' User@Example.com ')).toBe(userId('user@example.com')))
  test('an idempotency key always gives the same WhatsApp id, per instance', () => {
    expect(outgoingWhatsappId(INSTANCE, 'key')).toBe(outgoingWhatsappId(INSTANCE, 'key'))
    expect(outgoingWhatsappId(INSTANCE, 'key')).not.toBe(outgoingWhatsappId(INSTANCE, 'other'))
    expect(outgoingWhatsappId(INSTANCE, 'key')).not.toBe(outgoingWhatsappId('other', 'key'))
    expect(outgoingWhatsappId(INSTANCE)).not.toBe(outgoingWhatsappId(INSTANCE))
  })
  test('WhatsApp ids of ours look as those of WhatsApp do', () =>
    expect([outgoingWhatsappId(INSTANCE), outgoingWhatsappId(INSTANCE, 'key')]).toEqual([
      expect.stringMatching(/^3EB0[0-9A-F]{18}$/),
      expect.stringMatching(/^3EB0[0-9A-F]{18}$/),
    ]))
})
