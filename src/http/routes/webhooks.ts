import { Type } from 'typebox'
import { invalid, notFound, Refusal } from '../../domain/errors.ts'
import { defaultWebhookId } from '../../domain/ids.ts'
import { configure, subscribable, Webhook, type Subscribable } from '../../domain/webhook.ts'
import { literals, Uuid } from '../../domain/values.ts'
import { findWebhookEndpoint } from '../../projections/webhook-endpoints.ts'
import { isErased, type DeliveryRow } from '../../webhooks/deliveries.ts'
import { makeUpWebhookSecret } from '../../write/accounts.ts'
import { contextOf } from '../context.ts'
import { GivenInstance } from '../fields.ts'
import { Done, done, envelope, isoSeconds, Nullable, ok, secondsOrNull } from '../format.ts'
import type { Instances } from '../instances.ts'
import { reply, route, type Caller } from '../route.ts'
import type { Services } from '../services.ts'
import { now } from '../times.ts'

const common = { tag: 'Webhooks', limit: 'standard' } as const
const params = Type.Object({ id: GivenInstance })
const DELIVERIES_MAX = 100
/** What stands behind whsec_ is read as base64 by those who check the signature. */
const SECRET = '^(?!whsec_)|^whsec_[A-Za-z0-9+/]{4,}={0,2}$'
const DELIVERIES_DEFAULT = 50

const Events = Type.Union([Type.Array(literals(subscribable)), Type.Null()], { description: 'null: all' })
/** Not a union, so that a wrong name is told by its place in the list. */
const EventsOrAll = Type.Unsafe<Subscribable[] | null>({
  type: ['array', 'null'],
  items: literals(subscribable),
  minItems: 1,
  maxItems: 50,
  description: 'null: all',
})
const Configuration = {
  webhook_url: Type.String(),
  events: Events,
  is_active: Type.Boolean(),
}

const Delivery = Type.Object({
  id: Type.Integer(),
  event_id: Uuid,
  event: Type.String(),
  state: literals(['open', 'delivered', 'dead']),
  attempts: Type.Array(
    Type.Object({
      number: Type.Integer(),
      at: Type.String(),
      duration_ms: Type.Integer(),
      status: Type.Union([Type.Integer(), Type.Null()]),
      error: Nullable,
      response: Nullable,
    }),
  ),
  next_attempt_at: Nullable,
  created_at: Type.String(),
  finished_at: Nullable,
  redelivery: Type.Boolean({ description: 'It is made again on request, and marked so' }),
  correlation_id: Type.String(),
  causation_id: Type.String({ description: 'The stored event that this tells of' }),
  payload: Type.Unknown({ description: 'The body as it was sent; null once what it told of was erased' }),
})

const deliveryView = (row: DeliveryRow) => ({
  id: row.id,
  event_id: row.event_id,
  event: row.event,
  state: row.state,
  attempts: [...row.attempts],
  next_attempt_at: secondsOrNull(row.next_attempt_at),
  created_at: isoSeconds(row.created_at),
  finished_at: secondsOrNull(row.finished_at),
  redelivery: row.again,
  correlation_id: row.correlation,
  causation_id: row.causation,
  payload: JSON.parse(row.body) as unknown,
})

/** Where an instance's events go, and what became of each. */
export const webhookRoutes = (services: Services, instances: Instances) => {
  const { db, transact, caughtUp, deliveries, refusedUrl } = services

  const deliveryOf = async (caller: Caller, id: number): Promise<DeliveryRow> => {
    const delivery = await deliveries.find(id)
    if (!delivery) throw notFound('Delivery')
    await instances.ofCaller(caller, delivery.instance_id)
    return delivery
  }

  return [
    route({
      ...common,
      method: 'PUT',
      path: '/instances/:id/webhook',
      operationId: 'configureWebhook',
      summary: 'Set the address that gets the events of the instance',
      description: 'What is left out stays as it was; at first: all events, active, a secret of our making.',
      access: 'webhooks:write',
      params,
      body: Type.Object({
        webhook_url: Type.String({ minLength: 1, maxLength: 2048 }),
        webhook_secret: Type.Optional(
          Type.String({
            minLength: 8,
            maxLength: 256,
            pattern: SECRET,
            description: 'A text of your own, or whsec_ and base64 as in Standard Webhooks',
          }),
        ),
        events: Type.Optional(EventsOrAll),
        is_active: Type.Optional(Type.Boolean()),
      }),
      successDescription: 'Set. `webhook_secret` is shown only when it was made here.',
      responses: {
        200: envelope(Type.Object({ ...Configuration, webhook_secret: Type.Optional(Type.String()) })),
      },
      examples: {
        body: {
          webhook_url: 'https://your-server.com/webhook',
          webhook_secret: 'your_secret_key_here',
          events: ['message.incoming', 'message.status'],
          is_active: true,
        },
      },
      async handle({ caller, params, body, request }) {
        const instance = await instances.ofCaller(caller, params.id)
        const refused = refusedUrl(body.webhook_url)
        if (refused !== undefined) throw invalid('webhook_url', refused)
        const freshSecret = makeUpWebhookSecret()
        const wanted = {
          instanceId: instance.id,
          url: body.webhook_url,
          secret: body.webhook_secret,
          events: body.events,
          active: body.is_active,
        }
        const decide = configure(wanted, freshSecret, now())
        const id = defaultWebhookId(instance.id)
        const { state, position } = await transact(Webhook, id, decide, contextOf(caller, request))
        await caughtUp(position, 'webhookEndpoints')
        const set = state.configuration
        if (!set) throw new Error(`Webhook ${id} was not configured`)
        const view = { webhook_url: set.url, events: set.events, is_active: set.active }
        const shown = set.secret === freshSecret ? { webhook_secret: freshSecret } : {}
        return reply(200, ok({ ...view, ...shown }, 'Webhook configured'))
      },
    }),
    route({
      ...common,
      method: 'GET',
      path: '/instances/:id/webhook',
      operationId: 'getWebhook',
      summary: 'The address that gets the events of the instance',
      access: 'webhooks:read',
      params,
      successDescription: 'The configuration, without its secret.',
      responses: { 200: envelope(Type.Object(Configuration)) },
      refusals: ['NOT_FOUND'],
      async handle({ caller, params }) {
        const instance = await instances.ofCaller(caller, params.id)
        const endpoint = await findWebhookEndpoint(db, defaultWebhookId(instance.id))
        if (!endpoint) throw notFound('Webhook')
        const { url: webhook_url, events, active: is_active } = endpoint
        return reply(200, ok({ webhook_url, events, is_active }))
      },
    }),
    route({
      ...common,
      method: 'GET',
      path: '/instances/:id/webhook/deliveries',
      operationId: 'listDeliveries',
      summary: 'Deliveries of the instance, with every attempt',
      description: 'The newest first.',
      access: 'webhooks:read',
      params,
      query: Type.Object({
        state: Type.Optional(literals(['open', 'delivered', 'dead'])),
        before_id: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
        limit: Type.Optional(
          Type.Integer({ minimum: 1, maximum: DELIVERIES_MAX, default: DELIVERIES_DEFAULT }),
        ),
      }),
      successDescription: 'One page of deliveries.',
      responses: { 200: envelope(Type.Object({ deliveries: Type.Array(Delivery) })) },
      async handle({ caller, params, query }) {
        const instance = await instances.ofCaller(caller, params.id)
        const rows = await deliveries.list({
          instanceId: instance.id,
          state: query.state,
          beforeId: query.before_id,
          limit: query.limit ?? DELIVERIES_DEFAULT,
        })
        return reply(200, ok({ deliveries: rows.map(deliveryView) }))
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/webhooks/deliveries/:id/redeliver',
      operationId: 'redeliver',
      summary: 'Deliver again',
      description:
        'Due at once, with the whole retry schedule, and marked with `X-Webhook-Redelivery: true`; a delivery that is still open is tried at once.',
      access: 'webhooks:write',
      params: Type.Object({ id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }),
      successDescription: 'It is due.',
      responses: { 202: Done },
      refusals: ['NOT_FOUND', 'CONFLICT'],
      async handle({ caller, params }) {
        const delivery = await deliveryOf(caller, params.id)
        if (isErased(delivery)) throw new Refusal('CONFLICT', 'What this delivery told of was erased.')
        await deliveries.redeliver(delivery.id)
        return reply(202, done('The delivery is due'))
      },
    }),
  ]
}
