import { Type, type Static } from 'typebox'
import { Uuid } from './values.ts'

/** Who caused an event. Only ids: names and addresses are personal and stay out of metadata. */
export const Actor = Type.Union([
  Type.Object({ kind: Type.Literal('user'), id: Uuid }),
  Type.Object({ kind: Type.Literal('token'), id: Uuid }),
  Type.Object({ kind: Type.Literal('automation'), id: Uuid }),
  Type.Object({
    kind: Type.Union([Type.Literal('gateway'), Type.Literal('operator'), Type.Literal('system')]),
  }),
])
export type Actor = Static<typeof Actor>
export const actorKinds = [
  'user',
  'token',
  'automation',
  'gateway',
  'operator',
  'system',
] as const satisfies Actor['kind'][]

/** What every stored event carries beside its data. */
export const Metadata = Type.Object({
  tenant: Uuid,
  actor: Actor,
  /** Shared by everything that one request or one WhatsApp message set off. */
  correlation: Type.String(),
  /** Id of the event that led to this one, where there is one. */
  causation: Type.Optional(Type.String()),
  /** Schema version of the data. */
  version: Type.Integer({ minimum: 1 }),
  /** When it was recorded, ISO 8601 in UTC. */
  at: Type.String({ format: 'date-time' }),
})
export type Metadata = Static<typeof Metadata>

/** The part of the metadata that a caller of the write path gives; version and time are added on append. */
export type Context = Omit<Metadata, 'version' | 'at'>

/** For what follows from an event. */
export const causedBy = (
  { id, meta }: { readonly id: string; readonly meta: Metadata },
  actor: Actor = { kind: 'system' },
): Context => ({
  tenant: meta.tenant,
  actor,
  correlation: meta.correlation,
  causation: id,
})
