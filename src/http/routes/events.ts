import { Type } from 'typebox'
import { subscribable, subscribedNames } from '../../domain/webhook.ts'
import { literals } from '../../domain/values.ts'
import type { Instances } from '../instances.ts'
import { reply, route, streamed } from '../route.ts'
import type { Services } from '../services.ts'

const EVENTS_MAX = 50
const PLACE_MAX = 30

/** What happens, told while it happens. */
export const eventRoutes = ({ openEventStream, isStillAllowed }: Services, instances: Instances) => [
  route({
    method: 'GET',
    path: '/events',
    operationId: 'streamEvents',
    tag: 'Events',
    summary: 'What happens, as server-sent events',
    description: `The events that webhooks tell, as they happen, in order. Each has the name as \`event\`, the body of the webhook as \`data\`
and an \`id\`. A client that comes back with the header \`Last-Event-ID\`, as browsers do by themselves, goes on just after it: nothing
is missed and nothing comes twice. Without it the stream begins now; \`0.0\` is the beginning of all. A stream may hold an id
without an event: the client is then as far as that. A comment every 15 seconds shows that the connection lives. A token has 5
streams at most; a reader that takes nothing for 30 seconds is cut off.`,
    access: 'events:read',
    limit: 'standard',
    query: Type.Object({
      instance_id: Type.Optional(
        Type.String({ description: 'UUID or number of the instance; all without it' }),
      ),
      events: Type.Optional(
        Type.Array(literals(subscribable), {
          maxItems: EVENTS_MAX,
          description: 'Names of webhook events; all without it',
        }),
      ),
      last_event_id: Type.Optional(
        Type.String({ maxLength: PLACE_MAX, description: 'Where the header Last-Event-ID cannot be set' }),
      ),
    }),
    successDescription: 'The events, without end.',
    responses: { 200: streamed('text/event-stream') },
    refusals: ['NOT_FOUND'],
    async handle({ caller, query, request }) {
      const instanceId = await instances.only(caller, query.instance_id)
      const stream = await openEventStream({
        caller,
        instanceId,
        names: subscribedNames(query.events ?? null),
        lastEventId: request.header('last-event-id') ?? query.last_event_id,
        isStillAllowed: () => isStillAllowed(caller, 'events:read', request),
      })
      // Nothing between here and the client may hold events back, and nothing follows on this connection.
      return reply(200, stream, { 'X-Accel-Buffering': 'no', Connection: 'close' })
    },
  }),
]
