import fc from 'fast-check'
import { v5 } from 'uuid'
import { expect, test } from 'vitest'
import { conversationId, groupId, messageId, outgoingWhatsappId, userId } from '../../src/domain/ids.ts'

const NAMESPACE = '6f0e4d53-6d8b-5c6e-9d0c-2b1f0a7c9e41'

test('derived ids are UUIDs of version 5, as the library makes them, and never change', () => {
  expect(messageId('21ed5c9b-51a0-4569-85db-05433ea414b7', '3EB0ABC123456789')).toBe(
    v5('message\n21ed5c9b-51a0-4569-85db-05433ea414b7\n3EB0ABC123456789', NAMESPACE),
  )
  fc.assert(
    fc.property(fc.uuid(), fc.string(), (instance, text) => {
      expect(messageId(instance, text)).toBe(v5(`message\n${instance}\n${text}`, NAMESPACE))
      expect(conversationId(instance, text)).toBe(v5(`conversation\n${instance}\n${text}`, NAMESPACE))
      expect(groupId(instance, text)).toBe(v5(`group\n${instance}\n${text}`, NAMESPACE))
    }),
  )
})

test('an e-mail address has one account, whatever its letter case', () => {
  expect(userId(' Ana@Acme.example ')).toBe(userId('ana@acme.example'))
})

test('the same key always gives the same WhatsApp id, another instance another one', () => {
  expect(outgoingWhatsappId('a', 'key')).toBe(outgoingWhatsappId('a', 'key'))
  expect(outgoingWhatsappId('a', 'key')).not.toBe(outgoingWhatsappId('b', 'key'))
  expect(outgoingWhatsappId('a')).not.toBe(outgoingWhatsappId('a'))
  expect(outgoingWhatsappId('a')).toMatch(/^3EB0[0-9A-F]{18}$/)
})
