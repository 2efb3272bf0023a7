import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fold, type Decide } from '../../src/domain/decider.ts'
import {
  assign,
  change,
  close,
  create,
  Instance,
  mustBeConnected,
  open,
  remove,
  report,
  type ConnectionReport,
  type InstanceEvent,
} from '../../src/domain/instance.ts'
import { AT, later } from '../support/facts.ts'
import { decideOrNothing, specification } from '../support/given.ts'

const instance = specification(Instance)
const command = { number: 18, name: 'Shop', provider: 'sandbox', hookSecret: 'secret', at: AT } as const
const created: InstanceEvent = { type: 'InstanceCreated', data: command }
const opened: InstanceEvent = { type: 'InstanceOpened', data: { at: AT } }
const closed: InstanceEvent = { type: 'InstanceClosed', data: { at: AT } }
const deleted: InstanceEvent = { type: 'InstanceDeleted', data: { at: AT } }
const issued = (qr: string): InstanceEvent => ({ type: 'InstanceQrIssued', data: { qr, at: AT } })
const connected = (phoneNumber = '5511999999999'): InstanceEvent => ({
  type: 'InstanceConnected',
  data: { phoneNumber, at: AT },
})
const lost = (status: 'disconnected' | 'offline', reason?: string): InstanceEvent => ({
  type: 'InstanceDisconnected',
  data: { status, ...(reason !== undefined && { reason }), at: AT },
})
const assigned = (node: string, term: number): InstanceEvent => ({
  type: 'InstanceAssigned',
  data: { node, term, at: AT },
})
const qr = (text: string): ConnectionReport => ({ status: 'qr_ready', qr: text, at: AT })
const up = (phoneNumber = '5511999999999'): ConnectionReport => ({ status: 'connected', phoneNumber, at: AT })
const down = (status: 'disconnected' | 'offline'): ConnectionReport => ({ status, at: AT })

describe('the life of an instance', () => {
  test('begins once', () => instance.given().when(create(command)).then(created))
  test('does not begin again after its end', () =>
    instance.given(created, deleted).when(create(command)).then())
  test('begins with a session wanted', () => expect(fold(Instance, [created]).wanted).toBe(true))

  test('its name and its daily limit are changed, each only if it differs', () => {
    const renamed: InstanceEvent = { type: 'InstanceRenamed', data: { name: 'Sales', at: AT } }
    const limited = (dailyLimit: number | null): InstanceEvent => ({
      type: 'InstanceDailyLimitSet',
      data: { dailyLimit, at: AT },
    })
    const both = change({ name: 'Sales', dailyLimit: 5 }, AT)
    instance.given(created).when(both).then(renamed, limited(5))
    instance.given(created, renamed).when(both).then(limited(5))
    instance
      .given(created)
      .when(change({ name: 'Shop', dailyLimit: null }, AT))
      .then()
    instance.given(created, limited(5)).when(change({}, AT)).then()
    instance
      .given(created, limited(5))
      .when(change({ dailyLimit: null }, AT))
      .then(limited(null))
    instance
      .given(created, limited(5))
      .when(change({ dailyLimit: 0 }, AT))
      .then(limited(0))
    instance.given(created, deleted).when(both).refuses('NOT_FOUND')
  })

  test('open changes nothing while a session is on its way or there', () => {
    for (const past of [[created], [created, issued('a')], [created, connected()]])
      instance
        .given(...past)
        .when(open(AT))
        .then()
  })
  test.each(['disconnected', 'offline'] as const)('open asks for a session again after %s', (status) =>
    instance.given(created, connected(), lost(status)).when(open(AT)).then(opened),
  )
  test('open asks for a session again after it was closed', () =>
    instance.given(created, closed).when(open(AT)).then(opened))

  test('close ends the session and tells that the connection is gone', () =>
    instance.given(created, connected()).when(close(AT)).then(closed, lost('disconnected', 'requested')))
  test('close tells no second time that the connection is gone', () =>
    instance.given(created, connected(), lost('disconnected')).when(close(AT)).then(closed))
  test('close of what is closed changes nothing', () =>
    instance.given(created, closed).when(close(AT)).then())

  test('remove ends all of it', () =>
    instance.given(created, connected()).when(remove(AT)).then(lost('disconnected', 'deleted'), deleted))
  test('remove of what is closed tells only of the end', () =>
    instance.given(created, closed, lost('disconnected')).when(remove(AT)).then(deleted))

  const decisions = {
    open: open(AT),
    close: close(AT),
    remove: remove(AT),
    report: report(up()),
    assign: assign('a', 2, AT),
  }
  test.each(Object.entries(decisions))(
    '%s is refused before the beginning and after the end',
    (_name, decide) => {
      instance.given().when(decide).refuses('NOT_FOUND')
      instance.given(created, deleted).when(decide).refuses('NOT_FOUND')
    },
  )
})

describe('what a gateway reports', () => {
  test.each([
    ['a QR code', [], qr('a'), [issued('a')]],
    ['the same QR code', [issued('a')], qr('a'), []],
    ['the next QR code', [issued('a')], qr('b'), [issued('b')]],
    ['a connection', [issued('a')], up(), [connected()]],
    ['the same connection', [connected()], up(), []],
    ['a connection of another phone', [connected()], up('5511888888888'), [connected('5511888888888')]],
    ['a loss', [connected()], down('disconnected'), [lost('disconnected')]],
    ['the same loss', [lost('disconnected')], down('disconnected'), []],
    ['a loss of the network', [connected()], down('offline'), [lost('offline')]],
    ['the same loss of the network', [lost('offline')], down('offline'), []],
    ['that offline became disconnected', [lost('offline')], down('disconnected'), [lost('disconnected')]],
    ['a QR code after a loss', [issued('a'), lost('disconnected')], qr('a'), [issued('a')]],
  ] as const)('%s is taken down if it is news', (_name, past, told, expected) =>
    instance
      .given(created, ...past)
      .when(report(told))
      .then(...expected),
  )
})

describe('the owner of a session', () => {
  test('of the first term needs no word, however often it starts', () =>
    instance
      .given(created)
      .when(assign('a', 1, AT))
      .then())
  test('of a higher term is written down once', () => {
    instance
      .given(created)
      .when(assign('b', 2, AT))
      .then(assigned('b', 2))
    instance
      .given(created, assigned('b', 2))
      .when(assign('b', 2, AT))
      .then()
  })
  test('of a lower term has been overtaken', () =>
    instance
      .given(created, assigned('b', 2))
      .when(assign('a', 1, AT))
      .refuses('CONFLICT'))
  test('of the same term as another one is refused: a term has one owner', () =>
    instance
      .given(created, assigned('b', 2))
      .when(assign('a', 2, AT))
      .refuses('CONFLICT'))

  test('tells nothing any more once another one took over', () => {
    const past = [created, connected(), assigned('b', 3)]
    for (const told of [down('disconnected'), down('offline'), qr('a'), up('5511888888888')])
      instance
        .given(...past)
        .when(report(told, 2))
        .then()
  })
  test.each([3, 4])('is believed under the term that is known, or a later one: %d', (term) =>
    instance
      .given(created, connected(), assigned('b', 3))
      .when(report(down('offline'), term))
      .then(lost('offline')),
  )
  test('has nothing to do with what is reported from elsewhere', () =>
    instance
      .given(created, connected(), assigned('b', 3))
      .when(report(down('offline')))
      .then(lost('offline')))
  test('stays so when the instance is closed and opened again', () =>
    expect(fold(Instance, [created, assigned('b', 3), closed, opened]).term).toBe(3))
})

test('only a connected instance reaches WhatsApp', () => {
  const stateAfter = (...events: InstanceEvent[]) => fold(Instance, events)
  const refusal = (code: string) => expect.objectContaining({ name: 'Refusal', code })
  expect(() => mustBeConnected(stateAfter(created, connected()))).not.toThrow()
  expect(() => mustBeConnected(stateAfter(created))).toThrow(refusal('INSTANCE_NOT_CONNECTED'))
  expect(() => mustBeConnected(stateAfter(created, connected(), lost('offline')))).toThrow(
    refusal('INSTANCE_NOT_CONNECTED'),
  )
  expect(() => mustBeConnected(stateAfter())).toThrow(refusal('NOT_FOUND'))
})

test('any order of decisions writes no decision twice in a row, and nothing after the end', () => {
  const reports = fc.constantFrom(
    qr('a'),
    qr('b'),
    up(),
    up('5511888888888'),
    down('offline'),
    down('disconnected'),
  )
  const decision: fc.Arbitrary<Decide<Instance, InstanceEvent>> = fc.oneof(
    fc.constantFrom(create(command), open(later(1)), close(later(1)), remove(later(1))),
    reports.map((told) => report(told)),
    fc.tuple(reports, fc.integer({ min: 1, max: 3 })).map(([told, term]) => report(told, term)),
    fc
      .tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 3 }))
      .map(([node, term]) => assign(node, term, later(1))),
  )
  fc.assert(
    fc.property(fc.array(decision, { maxLength: 20 }), (decisions) => {
      const log: InstanceEvent[] = []
      let state = Instance.initial
      for (const decide of decisions) {
        const events = decideOrNothing(decide, state)
        state = fold(Instance, events, state)
        expect(decideOrNothing(decide, state)).toEqual([])
        log.push(...events)
      }
      const types = log.map(({ type }) => type)
      const count = (wanted: string) => types.filter((type) => type === wanted).length
      expect(count('InstanceCreated')).toBeLessThanOrEqual(1)
      if (count('InstanceDeleted') > 0) expect(types.indexOf('InstanceDeleted')).toBe(types.length - 1)
    }),
    { numRuns: 500 },
  )
})
