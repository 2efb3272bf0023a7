import { expect, test } from 'vitest'
import { Address, link, type AddressEvent } from '../../src/domain/address.ts'
import { personOf } from '../../src/domain/values.ts'
import { AT, INSTANCE, JOHN, later, MARY } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const address = specification(Address)
const HIDDEN = '171234567890123@lid'
const linked: AddressEvent = {
  type: 'AddressLinked',
  data: { instanceId: INSTANCE, from: HIDDEN, to: JOHN, at: AT },
}

test('another name of somebody is taken down once', () => {
  address
    .given()
    .when(link(INSTANCE, HIDDEN, JOHN, AT))
    .then(linked)
  address
    .given(linked)
    .when(link(INSTANCE, HIDDEN, JOHN, later(1)))
    .then()
})

test('it does not become the name of somebody else', () =>
  address
    .given(linked)
    .when(link(INSTANCE, HIDDEN, MARY, AT))
    .then())

test('nobody is another name of his own', () =>
  address
    .given()
    .when(link(INSTANCE, JOHN, JOHN, AT))
    .then())

test.each([
  [JOHN, JOHN],
  ['5511999999999:12@s.whatsapp.net', JOHN],
  ['171234567890123:3@lid', HIDDEN],
  ['120363001234567890@g.us', undefined],
  ['status@broadcast', undefined],
  ['123@newsletter', undefined],
  ['@lid', undefined],
  ['', undefined],
])('%j is the person %j', (jid, person) => expect(personOf(jid)).toBe(person))
