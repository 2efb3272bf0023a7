import { describe, expect, test } from 'vitest'
import {
  change,
  Contact,
  create,
  heardName,
  learn,
  merge,
  nameOf,
  remove,
  save,
  unite,
  type ContactEvent,
} from '../../src/domain/contact.ts'
import { fold } from '../../src/domain/decider.ts'
import { contactId } from '../../src/domain/ids.ts'
import { AT, INSTANCE, JOHN, later } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const contact = specification(Contact)
const place = { number: 7, instanceId: INSTANCE, jid: JOHN }
const other = { ...place, number: 8 }
const created = (details: object = { name: 'John Doe' }, at = AT): ContactEvent => ({
  type: 'ContactCreated',
  data: { ...place, ...details, at },
})
const learned = (pushName?: string, at = AT): ContactEvent => ({
  type: 'ContactLearned',
  data: { ...place, ...(pushName !== undefined && { pushName }), at },
})
const deleted = (seconds: number): ContactEvent => ({ type: 'ContactDeleted', data: { at: later(seconds) } })
const changed = (details: object): ContactEvent => ({
  type: 'ContactChanged',
  data: { ...details, at: later(1) },
})
const stateAfter = (...events: ContactEvent[]) => fold(Contact, events)

describe('a contact that is created', () => {
  test('is saved with what is said, without blanks around it', () =>
    contact
      .given()
      .when(create(place, { name: ' John Doe ', email: 'john@example.com', company: '  ', notes: null }, AT))
      .then(created({ name: 'John Doe', email: 'john@example.com' })))

  test('is refused when it is saved already', () =>
    contact
      .given(created())
      .when(create(other, {}, AT))
      .refuses('VALIDATION_FAILED'))

  test('takes over what was learned, under its number', () => {
    contact
      .given(learned('Johnny'))
      .when(create(other, { name: 'John Doe' }, later(5)))
      .then(created({ name: 'John Doe' }, later(5)))
    expect(stateAfter(learned('Johnny'), created({}, later(5)))).toMatchObject({
      number: 7,
      person: { pushName: 'Johnny', saved: true, createdAt: AT },
    })
  })

  test('keeps its number when it was deleted before', () => {
    contact
      .given(created(), deleted(1))
      .when(create(other, { name: 'John Doe' }, later(2)))
      .then(created({ name: 'John Doe' }, later(2)))
    expect(stateAfter(created(), deleted(1), created({}, later(2))).person).toMatchObject({
      details: {},
      createdAt: later(2),
    })
  })

  test('by an import is skipped when it is saved already', () =>
    contact
      .given(created())
      .when(save(other, { name: 'Jim' }, AT))
      .then())
})

describe('who writes', () => {
  test('is learned with the name given, and once', () =>
    contact
      .given()
      .when(learn({ ...place, pushName: 'Johnny', at: AT }))
      .then(learned('Johnny')))

  test('is learned without a name, and only as long as there is no contact', () => {
    contact
      .given()
      .when(learn({ ...place, at: AT }))
      .then(learned())
    for (const known of [learned('Johnny'), created()])
      contact
        .given(known)
        .when(learn({ ...other, at: later(1) }))
        .then()
  })

  test('under another name is learned again; a saved name stays', () => {
    contact
      .given(created(), learned('Johnny'))
      .when(learn({ ...other, pushName: 'J.D.', at: later(1) }))
      .then(learned('J.D.', later(1)))
    expect(stateAfter(created(), learned('Johnny'), learned('J.D.', later(1))).person).toMatchObject({
      details: { name: 'John Doe' },
      pushName: 'J.D.',
    })
  })

  test('is learned again after the contact was deleted, as only learned', () => {
    contact
      .given(created(), deleted(1))
      .when(learn({ ...other, pushName: 'Johnny', at: later(2) }))
      .then(learned('Johnny', later(2)))
    expect(stateAfter(created(), deleted(1), learned('Johnny', later(2))).person).toMatchObject({
      details: {},
      saved: false,
    })
  })

  test('is not learned from what was heard before the contact was deleted, or had its present name', () => {
    contact
      .given(learned('Johnny'), deleted(5))
      .when(learn({ ...place, pushName: 'Johnny', at: later(4) }))
      .then()
    contact
      .given(learned('Johnny'), learned('J.D.', later(5)))
      .when(learn({ ...place, pushName: 'Johnny', at: later(4) }))
      .then()
  })
})

describe('what the phone says', () => {
  const heard = (said: object, at = AT): ContactEvent => ({
    type: 'ContactLearned',
    data: { ...place, ...said, at },
  })

  test('is taken down beside the name that people give themselves, once', () => {
    contact
      .given(learned('Johnny'))
      .when(learn({ ...other, bookName: 'John at Acme', business: true, at: later(1) }))
      .then(heard({ bookName: 'John at Acme', business: true }, later(1)))
    contact
      .given(learned('Johnny'), heard({ bookName: 'John at Acme', business: true }, later(1)))
      .when(learn({ ...other, pushName: 'Johnny', bookName: 'John at Acme', business: true, at: later(2) }))
      .then()
  })

  test('counts less than what a user says, and more than how people name themselves', () => {
    const names = (...events: ContactEvent[]) => {
      const { person } = stateAfter(...events)
      return person && nameOf(person)
    }
    const book = heard({ bookName: 'John at Acme' })
    expect(names(created(), learned('Johnny'), book)).toBe('John Doe')
    expect(names(learned('Johnny'), book)).toBe('John at Acme')
    expect(names(learned('Johnny'))).toBe('Johnny')
    expect(names(learned())).toBeUndefined()
  })

  test('is of a sound length, without blanks around it, or nothing', () => {
    expect(heardName(`  ${'é'.repeat(300)}`)).toHaveLength(198)
    expect(heardName('   ')).toBeUndefined()
  })
})

describe('a change', () => {
  test('keeps what is left out, and clears what is null', () =>
    contact
      .given(created({ name: 'John Doe', email: 'john@example.com', notes: 'VIP' }))
      .when(change({ name: 'John D.', email: undefined, notes: null }, later(1)))
      .then(changed({ name: 'John D.', email: 'john@example.com' })))

  test('to what is there already is none', () =>
    contact
      .given(created({ name: 'John Doe' }))
      .when(change({ name: 'John Doe ', company: null }, later(1)))
      .then())

  test('saves who was only learned', () => {
    contact
      .given(learned('Johnny'))
      .when(change({ name: 'John' }, later(1)))
      .then(changed({ name: 'John' }))
    expect(stateAfter(learned('Johnny'), changed({ name: 'John' })).person?.saved).toBe(true)
  })

  test('is refused where there is no contact', () => {
    contact
      .given()
      .when(change({ name: 'John' }, AT))
      .refuses('NOT_FOUND')
    contact
      .given(created(), deleted(1))
      .when(change({ name: 'John' }, later(2)))
      .refuses('NOT_FOUND')
  })
})

describe('a contact that is deleted', () => {
  test('is gone, and cannot be deleted again', () =>
    contact
      .given(created())
      .when(remove(later(1)))
      .then(deleted(1)))
  test('must have been there', () =>
    contact
      .given()
      .when(remove(later(1)))
      .refuses('NOT_FOUND'))
})

describe('a contact who turns out to be somebody known', () => {
  const HIDDEN = '171234567890123@lid'
  const hidden = contactId(INSTANCE, HIDDEN)
  const john = { id: contactId(INSTANCE, JOHN), jid: JOHN }
  const hiddenPlace = { number: 3, instanceId: INSTANCE, jid: HIDDEN }
  const merged: ContactEvent = {
    type: 'ContactMerged',
    data: { instanceId: INSTANCE, into: john.id, jid: JOHN, at: AT },
  }
  const ofHidden = (details: object): ContactEvent => ({
    type: 'ContactCreated',
    data: { ...hiddenPlace, ...details, at: AT },
  })
  const united = (fields: object): ContactEvent => ({
    type: 'ContactUnited',
    data: { ...place, saved: true, with: hidden, aliases: [hidden, '3'], at: AT, ...fields },
  })

  test('is so once; whoever never was is nobody else either', () => {
    contact
      .given(ofHidden({}))
      .when(merge(INSTANCE, john, AT))
      .then(merged)
    contact
      .given(ofHidden({}), merged)
      .when(merge(INSTANCE, { id: hidden, jid: HIDDEN }, AT))
      .then()
    contact
      .given()
      .when(merge(INSTANCE, john, AT))
      .then()
  })
  test('fills what is not known of the other one, and no more', () => {
    const other = stateAfter(ofHidden({ name: 'Mr. X', email: 'x@example.com' }), merged)
    contact
      .given(learned('Johnny'), created({ name: 'John Doe' }))
      .when(unite(place, hidden, other, AT))
      .then(united({ name: 'John Doe', email: 'x@example.com', pushName: 'Johnny' }))
  })
  test('is known from then on by the other JID alone, if nobody was known by that', () =>
    contact
      .given()
      .when(unite(place, hidden, stateAfter(ofHidden({ name: 'Mr. X' }), merged), AT))
      .then(united({ name: 'Mr. X' })))
  test('saved by nobody, is no more saved than before', () => {
    const other = stateAfter(
      { type: 'ContactLearned', data: { ...hiddenPlace, pushName: 'X', at: AT } },
      merged,
    )
    contact
      .given(learned())
      .when(unite(place, hidden, other, AT))
      .then(united({ saved: false, pushName: 'X' }))
  })
  test('fills nothing again that was cleared since', () =>
    contact
      .given(created(), united({ name: 'John Doe', email: 'x@example.com' }), changed({ name: 'John Doe' }))
      .when(unite(place, hidden, stateAfter(ofHidden({ email: 'x@example.com' }), merged), later(1)))
      .then())
  test('is remembered when the other one is deleted and learned again', () =>
    contact
      .given(created(), united({}), deleted(1))
      .when(learn({ ...place, at: later(2) }))
      .then({ type: 'ContactLearned', data: { ...place, aliases: [hidden, '3'], at: later(2) } }))
})
