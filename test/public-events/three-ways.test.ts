import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { bodyFields, publicTypes, type PublicEvent } from '../../src/domain/public-events.ts'
import { eventOfRecord, recordOf, type PublicRecord } from '../../src/domain/public-record.ts'
import { subscribedNames } from '../../src/domain/webhook.ts'
import { createEventStreams } from '../../src/http/event-streams.ts'
import { instanceTokenPermissions } from '../../src/http/permissions.ts'
import type { Recorded } from '../../src/ports/event-store.ts'
import { ensureTable } from '../../src/projections/checkpoint.ts'
import { webhookEndpoints } from '../../src/projections/webhook-endpoints.ts'
import { shareTranslation } from '../../src/public-events/share.ts'
import { createFanOut } from '../../src/webhooks/fan-out.ts'
import { noErasures } from '../support/erasures.ts'
import { INSTANCE, TENANT } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { tellStory } from '../support/story.ts'
import { eventually } from '../support/eventually.ts'
import { startSubscriber } from '../support/subscriber.ts'

type Body = { event: string; instance_uuid: string; timestamp: string; data: object }

/** All that the story tells the outside: something of every type. */
const publicStory = async ({ store }: TestLog): Promise<PublicEvent[]> => {
  const end = await tellStory(store)
  const subscriber = startSubscriber(store)
  await eventually(() => expect(subscriber.events.at(-1)?.position).toBe(end))
  await subscriber.stop()
  const events: readonly Recorded[] = subscriber.events
  const told = await shareTranslation(store, noErasures)(events)
  return events.flatMap(({ id }) => told.get(id) ?? [])
}

/** The bodies of the webhooks that an endpoint gets, by the ids of the events. */
const webhooksOf = async ({ pool }: TestLog, events: readonly PublicEvent[]): Promise<Map<string, Body>> => {
  const endpoint = randomUUID()
  await pool.query(
    `insert into webhook_endpoint (id, tenant_id, instance_id, url, secret, events, names, active, updated_at)
     values ($1, $2, $3, 'http://receiver.example/', 's', null, $4, true, now())`,
    [endpoint, TENANT, INSTANCE, JSON.stringify(subscribedNames(null))],
  )
  await createFanOut({ pool })(events)
  const { rows } = await pool.query<{ event_id: string; body: string }>(
    'select event_id, body from webhook_delivery where endpoint_id = $1',
    [endpoint],
  )
  return new Map(rows.map(({ event_id, body }) => [event_id, JSON.parse(body)]))
}

/** What `GET /events` tells of one instance, from the beginning. */
const streamed = async ({ store, errors }: TestLog, count: number): Promise<Body[]> => {
  const stopping = new AbortController()
  const open = createEventStreams({
    store,
    translate: shareTranslation(store, noErasures),
    stopping: stopping.signal,
    onError: (error) => errors.push(error),
  })
  const body = await open({
    caller: {
      tenantId: TENANT,
      tokenId: 'token',
      actor: { kind: 'system' },
      permissions: instanceTokenPermissions,
    },
    instanceId: INSTANCE,
    names: subscribedNames(null),
    lastEventId: '0.0',
    isStillAllowed: () => Promise.resolve(true),
  })
  let text = ''
  body.on('data', (part: Buffer) => (text += part.toString()))
  const told = () => [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => data)
  await eventually(() => expect(told().length).toBeGreaterThanOrEqual(count))
  stopping.abort()
  return told().map((data) => JSON.parse(data))
}

test('a record in Kafka, a webhook and GET /events say the same of every type', async () => {
  const log = await testLog()
  await ensureTable(log.pool, webhookEndpoints)
  const events = (await publicStory(log)).filter(({ instanceId }) => instanceId === INSTANCE)
  expect(new Set(events.map(({ type }) => type))).toEqual(new Set(publicTypes))

  const ofWebhooks = await webhooksOf(log, events)
  const ofStream = await streamed(log, events.length)
  expect(ofStream).toHaveLength(events.length)
  for (const [n, event] of events.entries()) {
    const record: PublicRecord = JSON.parse(JSON.stringify(recordOf(event)))
    const { id, type, instance_uuid, timestamp, data } = record
    const body = { event: type, instance_uuid, timestamp, data }
    expect(ofWebhooks.get(id), type).toEqual(body)
    expect(ofStream[n], type).toEqual(body)
    // Where webhooks are made of records, they are the same as those made of the events.
    expect(bodyFields(eventOfRecord(record)), type).toEqual(bodyFields(event))
    expect({ ...eventOfRecord(record), at: event.at }, type).toEqual(event)
  }
})
