import { isDeepStrictEqual } from 'node:util'
import { Type } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { publicTypes, type PublicType } from './public-events.ts'
import { literals, SecretText, Time, Uuid } from './values.ts'

/** The second vocabulary of the reference, and what each name stands for in the first. */
const otherNames = {
  'message.incoming': ['message.received'],
  'message.outgoing': ['message.sent'],
  'connection.update': ['instance.connected', 'instance.disconnected'],
  'qr.update': ['instance.qr'],
} as const satisfies Record<string, readonly PublicType[]>

export const subscribable = [
  ...publicTypes,
  ...(Object.keys(otherNames) as (keyof typeof otherNames)[]),
] as const
export type Subscribable = (typeof subscribable)[number]

const isPublicType = (name: Subscribable): name is PublicType => publicTypes.some((type) => type === name)

/** The name under which an endpoint gets each public event: the one it subscribed to. No list means all of them. */
export const subscribedNames = (
  events: readonly Subscribable[] | null,
): Partial<Record<PublicType, Subscribable>> => {
  const names: Partial<Record<PublicType, Subscribable>> = {}
  for (const name of events ?? publicTypes)
    for (const type of isPublicType(name) ? [name] : otherNames[name]) names[type] ??= name
  return names
}

const Endpoint = Type.Object({
  instanceId: Uuid,
  url: Type.String(),
  secret: SecretText,
  events: Type.Union([Type.Array(literals(subscribable)), Type.Null()]),
  active: Type.Boolean(),
  at: Time,
})

export const webhookEvents = { WebhookConfigured: eventSchema(Endpoint) }
export type WebhookEvent = EventOf<typeof webhookEvents>
type Configuration = WebhookEvent['data']

export type Webhook = { readonly configuration?: Configuration }

/** An address that gets the public events of an instance. */
export const Webhook: Decider<Webhook, WebhookEvent> = {
  category: 'webhook',
  events: webhookEvents,
  initial: {},
  evolve: (_state, { data }) => ({ configuration: data }),
}

type Wanted = {
  readonly instanceId: string
  readonly url: string
  readonly secret?: string | undefined
  /** null: all. */
  readonly events?: readonly Subscribable[] | null | undefined
  readonly active?: boolean | undefined
}

/** Sets the endpoint; what is left out stays as it was, at first: all events, active, `freshSecret`. */
export const configure =
  (wanted: Wanted, freshSecret: string, at: string): Decide<Webhook, WebhookEvent> =>
  ({ configuration: present }) => {
    const next: Configuration = {
      instanceId: wanted.instanceId,
      url: wanted.url,
      secret: wanted.secret ?? present?.secret ?? freshSecret,
      events: wanted.events === undefined ? (present?.events ?? null) : wanted.events && [...wanted.events],
      active: wanted.active ?? present?.active ?? true,
      at,
    }
    return present && isDeepStrictEqual({ ...present, at }, next)
      ? []
      : [{ type: 'WebhookConfigured', data: next }]
  }
