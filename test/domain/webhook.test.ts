import { describe, expect, test } from 'vitest'
import { publicTypes } from '../../src/domain/public-events.ts'
import {
  configure,
  subscribable,
  subscribedNames,
  Webhook,
  type WebhookEvent,
} from '../../src/domain/webhook.ts'
import { AT, INSTANCE, later } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const webhook = specification(Webhook)
const url = 'https://example.com/hook'
type Configuration = WebhookEvent['data']
const configured = (change: Partial<Configuration> = {}): WebhookEvent => ({
  type: 'WebhookConfigured',
  data: { instanceId: INSTANCE, url, secret: 'fresh', events: null, active: true, at: AT, ...change },
})
const wanted = { instanceId: INSTANCE, url }

describe('an endpoint', () => {
  test('that says nothing else gets all events, is active and has a fresh secret', () =>
    webhook
      .given()
      .when(configure(wanted, 'fresh', AT))
      .then(configured()))

  test('is what it says', () => {
    const all = { secret: 'mine', events: ['message.incoming'], active: false } as const
    webhook
      .given()
      .when(configure({ ...wanted, ...all }, 'fresh', AT))
      .then(configured({ ...all, events: ['message.incoming'] }))
  })

  const present = configured({ secret: 'mine', events: ['message.status'], active: false })
  test.each([
    ['address', { url: 'https://example.org/' }, { url: 'https://example.org/' }],
    ['secret', { secret: 'other' }, { secret: 'other' }],
    ['events', { events: ['message.sent'] }, { events: ['message.sent' as const] }],
    ['active', { active: true }, { active: true }],
  ] as const)('keeps what is left out when only its %s changes', (_name, change, after) =>
    webhook
      .given(present)
      .when(configure({ ...wanted, ...change }, 'another fresh one', later(1)))
      .then(
        configured({
          secret: 'mine',
          events: ['message.status'],
          active: false,
          at: later(1),
          ...('events' in after ? { events: [...after.events] } : after),
        }),
      ),
  )

  test('told what it is already changes nothing', () => {
    webhook
      .given(present)
      .when(configure(wanted, 'fresh', later(1)))
      .then()
    webhook
      .given(present)
      .when(configure({ ...wanted, secret: 'mine', events: ['message.status'] }, 'fresh', later(1)))
      .then()
  })
})

describe('names of events', () => {
  test('no list means all, each under the name of the first vocabulary', () =>
    expect(subscribedNames(null)).toEqual(Object.fromEntries(publicTypes.map((type) => [type, type]))))

  test.each([
    ['message.incoming', ['message.received']],
    ['message.outgoing', ['message.sent']],
    ['connection.update', ['instance.connected', 'instance.disconnected']],
    ['qr.update', ['instance.qr']],
  ] as const)('%s of the second vocabulary brings %s under the name asked for', (name, types) =>
    expect(subscribedNames([name])).toEqual(Object.fromEntries(types.map((type) => [type, name]))),
  )

  test.each(publicTypes)('%s brings itself and nothing else', (type) =>
    expect(subscribedNames([type])).toEqual({ [type]: type }),
  )

  test('an event asked for by both names comes once, under the first', () => {
    expect(subscribedNames(['message.incoming', 'message.received'])).toEqual({
      'message.received': 'message.incoming',
    })
    expect(subscribedNames(['message.received', 'message.incoming'])).toEqual({
      'message.received': 'message.received',
    })
  })

  test('every event that the reference lists can be subscribed to', () => {
    const reference = [
      ...['message.incoming', 'message.outgoing', 'message.status', 'message.reaction', 'message.deleted'],
      ...['connection.update', 'qr.update', 'contact.update'],
    ]
    expect(subscribable).toEqual(expect.arrayContaining(reference))
  })
  test('an empty list brings nothing', () => expect(subscribedNames([])).toEqual({}))

  test('every name stands for something that happens', () => {
    const notToldYet = ['message.edited', 'message.deleted']
    for (const name of subscribable.filter((one) => !notToldYet.includes(one)))
      expect(Object.values(subscribedNames([name]))).toContain(name)
  })
})
