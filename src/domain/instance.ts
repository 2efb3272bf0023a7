import { Type } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { notFound, Refusal } from './errors.ts'
import { literals, PersonalText, SecretText, SerialNumber, Time } from './values.ts'

/** `baileys`: WhatsApp itself; `sandbox`: a simulated phone. */
export const providers = ['baileys', 'sandbox'] as const
export type Provider = (typeof providers)[number]
export const instanceStatuses = ['pending', 'qr_ready', 'connected', 'disconnected', 'offline'] as const
export type InstanceStatus = (typeof instanceStatuses)[number]

const At = Type.Object({ at: Time })

export const instanceEvents = {
  InstanceCreated: eventSchema(
    Type.Object({
      number: SerialNumber,
      name: Type.String(),
      provider: literals(providers),
      /** Signs what is posted to the incoming hooks of this instance. */
      hookSecret: SecretText,
      /** What was said before the pairing is wanted, too. */
      importsPast: Type.Optional(Type.Boolean()),
      at: Time,
    }),
  ),
  /** A session is wanted: pair, or connect again. */
  InstanceOpened: eventSchema(At),
  /** No session is wanted until it is opened again. */
  InstanceClosed: eventSchema(At),
  InstanceQrIssued: eventSchema(Type.Object({ qr: SecretText, expiresAt: Type.Optional(Time), at: Time })),
  InstanceConnected: eventSchema(
    Type.Object({
      phoneNumber: PersonalText,
      profileName: Type.Optional(PersonalText),
      at: Time,
    }),
  ),
  InstanceDisconnected: eventSchema(
    Type.Object({
      status: literals(['disconnected', 'offline']),
      reason: Type.Optional(Type.String()),
      at: Time,
    }),
  ),
  InstanceRenamed: eventSchema(Type.Object({ name: Type.String(), at: Time })),
  /** Messages that it may send in a day: 0 for any number, null for what the deployment allows by default. */
  InstanceDailyLimitSet: eventSchema(
    Type.Object({ dailyLimit: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]), at: Time }),
  ),
  /** A node has the session from here on. What is reported under a lower term is no longer true. */
  InstanceAssigned: eventSchema(
    Type.Object({ node: Type.String(), term: Type.Integer({ minimum: 1 }), at: Time }),
  ),
  InstanceDeleted: eventSchema(At),
}
export type InstanceEvent = EventOf<typeof instanceEvents>
type Created = Extract<InstanceEvent, { type: 'InstanceCreated' }>['data']

export type Instance = {
  readonly exists: boolean
  /** Whether a session shall be open; the gateway follows this. */
  readonly wanted: boolean
  readonly provider?: Provider
  readonly importsPast?: boolean
  readonly name?: string
  readonly dailyLimit?: number | null
  readonly hookSecret?: string
  readonly status: InstanceStatus
  readonly phoneNumber?: string
  readonly qr?: string
  /** Rises with every owner of the session; the first one has it without a word. */
  readonly term: number
  readonly owner?: string
}

export const Instance: Decider<Instance, InstanceEvent> = {
  category: 'instance',
  events: instanceEvents,
  initial: { exists: false, wanted: false, status: 'pending', term: 1 },
  evolve: (state, event) => {
    switch (event.type) {
      case 'InstanceCreated': {
        const { provider, name, hookSecret, importsPast = false } = event.data
        const created = { provider, name, hookSecret, importsPast }
        return { ...state, exists: true, wanted: true, status: 'pending', ...created }
      }
      case 'InstanceOpened':
        return { ...state, wanted: true, status: 'pending' }
      case 'InstanceClosed':
        return { ...state, wanted: false }
      case 'InstanceQrIssued':
        return { ...state, status: 'qr_ready', qr: event.data.qr }
      case 'InstanceConnected':
        return { ...state, status: 'connected', phoneNumber: event.data.phoneNumber }
      case 'InstanceDisconnected':
        return { ...state, status: event.data.status }
      case 'InstanceRenamed':
        return { ...state, name: event.data.name }
      case 'InstanceDailyLimitSet':
        return { ...state, dailyLimit: event.data.dailyLimit }
      case 'InstanceAssigned':
        return { ...state, owner: event.data.node, term: event.data.term }
      case 'InstanceDeleted':
        return { ...state, exists: false, wanted: false, status: 'disconnected' }
    }
  },
}

type Decision = Decide<Instance, InstanceEvent>
/** What a gateway reports of an instance's connection. */
export type ConnectionReport =
  | { readonly status: 'qr_ready'; readonly qr: string; readonly expiresAt?: string; readonly at: string }
  | {
      readonly status: 'connected'
      readonly phoneNumber: string
      readonly profileName?: string
      readonly at: string
    }
  | { readonly status: 'disconnected' | 'offline'; readonly reason?: string; readonly at: string }

export const create =
  (command: Created): Decision =>
  ({ provider }) =>
    provider === undefined ? [{ type: 'InstanceCreated', data: command }] : []

const existing = (instance: Instance) => {
  if (!instance.exists) throw notFound('Instance')
}

/** Gives it the name and the daily limit that are wanted; what is left out stays. */
export const change =
  (wanted: { name?: string; dailyLimit?: number | null }, at: string): Decision =>
  (instance) => {
    existing(instance)
    const { name = instance.name, dailyLimit = instance.dailyLimit ?? null } = wanted
    const events: InstanceEvent[] = []
    if (name !== undefined && name !== instance.name)
      events.push({ type: 'InstanceRenamed', data: { name, at } })
    if (dailyLimit !== (instance.dailyLimit ?? null))
      events.push({ type: 'InstanceDailyLimitSet', data: { dailyLimit, at } })
    return events
  }

export const open =
  (at: string): Decision =>
  (instance) => {
    existing(instance)
    const running = instance.wanted && instance.status !== 'disconnected' && instance.status !== 'offline'
    return running ? [] : [{ type: 'InstanceOpened', data: { at } }]
  }

export const close =
  (at: string): Decision =>
  (instance) => {
    existing(instance)
    return instance.wanted
      ? [{ type: 'InstanceClosed', data: { at } }, ...lost(instance, 'requested', at)]
      : []
  }

export const remove =
  (at: string): Decision =>
  (instance) => {
    existing(instance)
    return [...lost(instance, 'deleted', at), { type: 'InstanceDeleted', data: { at } }]
  }

const lost = ({ status }: Instance, reason: string, at: string): InstanceEvent[] =>
  status === 'disconnected'
    ? []
    : [{ type: 'InstanceDisconnected', data: { status: 'disconnected', reason, at } }]

/** The session belongs to a node from here on, under a term that no other node has or had. */
export const assign =
  (node: string, term: number, at: string): Decision =>
  (instance) => {
    existing(instance)
    const { owner = node } = instance
    if (term < instance.term || (term === instance.term && owner !== node))
      throw new Refusal('CONFLICT', 'Another node has the session of this instance by now.')
    return term === instance.term ? [] : [{ type: 'InstanceAssigned', data: { node, term, at } }]
  }

/**
 * Takes over what the gateway reports; what is already known is a non-event, so a reconnect loop floods nobody. So is
 * what an owner reports after another one took over: `term` is that of its session.
 */
export const report =
  (connection: ConnectionReport, term?: number): Decision =>
  (instance) => {
    existing(instance)
    if (term !== undefined && term < instance.term) return []
    switch (connection.status) {
      case 'qr_ready': {
        const { status, ...data } = connection
        return instance.status === status && instance.qr === data.qr
          ? []
          : [{ type: 'InstanceQrIssued', data }]
      }
      case 'connected': {
        const { status, ...data } = connection
        const known = instance.status === status && instance.phoneNumber === data.phoneNumber
        return known ? [] : [{ type: 'InstanceConnected', data }]
      }
      case 'disconnected':
      case 'offline':
        return instance.status === connection.status
          ? []
          : [{ type: 'InstanceDisconnected', data: connection }]
    }
  }

/** Refuses unless WhatsApp can be reached through the instance. */
export const mustBeConnected = (instance: Instance) => {
  existing(instance)
  if (instance.status !== 'connected')
    throw new Refusal(
      'INSTANCE_NOT_CONNECTED',
      'The instance is not connected to WhatsApp. Connect it, or send with "queue": true to have it sent later.',
      { status: instance.status },
    )
}
