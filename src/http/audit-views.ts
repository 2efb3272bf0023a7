import { Type } from 'typebox'
import { actorKinds } from '../domain/metadata.ts'
import { literals, Uuid } from '../domain/values.ts'
import { Nullable } from './format.ts'

export const ShownActor = Type.Object({
  kind: literals(actorKinds),
  id: Type.Union([Uuid, Type.Null()]),
  name: Nullable,
})

export const ShownCause = Type.Object({
  correlation_id: Type.String({
    description: 'Joins all that one request or one WhatsApp message set off: its X-Request-Id',
  }),
  causation_id: Type.Union([Type.String(), Type.Null()], {
    description: 'The event that led to this one; null for the first',
  }),
  type: Type.Union([Type.String(), Type.Null()], { description: 'Type of that event, if it is known' }),
  stream: Type.Union([Type.String(), Type.Null()], { description: 'Stream of that event, if it is known' }),
})

const Line = {
  id: Uuid,
  at: Type.String({ description: 'When it was recorded' }),
  type: Type.String(),
  summary: Type.String({ description: 'One sentence for people' }),
  actor: ShownActor,
  cause: ShownCause,
  stream: Type.String(),
  revision: Type.Integer(),
  about: Type.Array(Uuid, { description: 'Every id that it is about' }),
  data: Type.Object(
    {},
    { description: 'The event as the log has it now, without what opens anything, such as hashes' },
  ),
  erased: Type.Optional(Type.Literal(true, { description: 'What it said of people is gone' })),
}
export const ShownLine = Type.Object(Line)

const Attempt = Type.Object({
  number: Type.Integer(),
  at: Type.String(),
  duration_ms: Type.Integer(),
  status: Type.Union([Type.Integer(), Type.Null()]),
  error: Nullable,
  response: Nullable,
})

export const ShownStep = Type.Union([
  Type.Object({
    kind: Type.Literal('delivery'),
    id: Type.Integer(),
    instance_id: Uuid,
    state: literals(['open', 'delivered', 'dead']),
    created_at: Type.String(),
    attempts: Type.Array(Attempt),
  }),
  Type.Object({ kind: Type.Literal('public_event'), id: Uuid, event: Type.String() }),
  Type.Object({ kind: Type.Literal('event'), ...Line }),
  Type.Object({
    kind: literals(['request', 'whatsapp', 'system']),
    correlation_id: Type.String(),
    actor: ShownActor,
    whatsapp_message_id: Nullable,
  }),
  Type.Object({ kind: Type.Literal('unknown'), id: Type.String() }),
])
