import { randomBytes } from 'node:crypto'
import { Type } from 'typebox'
import type { Decide } from '../../domain/decider.ts'
import { invalid, notFound } from '../../domain/errors.ts'
import { newId } from '../../domain/ids.ts'
import {
  change as changeSettings,
  create,
  Instance,
  instanceStatuses,
  providers,
  remove,
  type InstanceEvent,
  type Provider,
} from '../../domain/instance.ts'
import { literals } from '../../domain/values.ts'
import { countOfInstance } from '../../projections/count-of-instance.ts'
import { listInstances } from '../../projections/instances.ts'
import { contextOf } from '../context.ts'
import { GivenInstance } from '../fields.ts'
import type { Finders } from '../finders.ts'
import { Done, done, envelope, ok } from '../format.ts'
import { InstanceView, Quota } from '../instance-view.ts'
import type { Instances } from '../instances.ts'
import { reply, route, type Caller, type RouteRequest } from '../route.ts'
import type { Services } from '../services.ts'
import { now } from '../times.ts'
import { createUsage } from '../usage.ts'

const tag = 'Instances'
const HOOK_SECRET_BYTES = 24
const DAILY_LIMIT_MAX = 10_000_000
const Name = Type.String({ minLength: 1, maxLength: 100 })
const params = Type.Object({ id: GivenInstance })

const notOffered = {
  baileys: 'is not available here: the operator has to set ENCRYPTION_KEY',
  sandbox: 'is not available here: the operator has to set SANDBOX=true',
} as const

/** Changes the instance that a path names. */
export const createInstanceChange =
  ({ transact, caughtUp }: Services, instances: Instances) =>
  async (caller: Caller, request: RouteRequest, ref: string, decide: Decide<Instance, InstanceEvent>) => {
    const { id } = await instances.ofCaller(caller, ref)
    const { position } = await transact(Instance, id, decide, contextOf(caller, request))
    await caughtUp(position, 'instances')
  }

/** The instances of an account, and what each has done. */
export const instanceRoutes = (services: Services, instances: Instances, { instanceOf }: Finders) => {
  const { db, transact, numbers, caughtUp } = services
  const { usageOf, viewsOf } = createUsage(services)
  const change = createInstanceChange(services, instances)

  /** Refuses what this deployment does not have; which comes first is the choice of whoever names none. */
  const offered = (wanted: Provider | undefined): Provider => {
    const provider = wanted ?? services.providers[0]
    if (provider === undefined || !services.providers.includes(provider))
      throw invalid('provider', notOffered[provider ?? 'baileys'])
    return provider
  }

  const shown = async (caller: Caller, ref: string) => {
    const [view] = await viewsOf(caller, [await instanceOf(caller, ref)])
    if (!view) throw notFound('Instance')
    return view
  }

  return [
    route({
      method: 'GET',
      path: '/instances',
      operationId: 'listInstances',
      tag,
      reads: ['instances', 'instanceActivity', 'outbox'],
      summary: 'All instances',
      access: 'instances:read',
      limit: 'standard',
      query: Type.Object({ status: Type.Optional(literals(instanceStatuses)) }),
      successDescription: 'The instances that this token reaches.',
      responses: { 200: envelope(Type.Object({ instances: Type.Array(InstanceView) })) },
      async handle({ caller, query }) {
        const rows = await listInstances(db, caller.tenantId, query.status, caller.instanceId)
        return reply(200, ok({ instances: await viewsOf(caller, rows) }))
      },
    }),
    route({
      method: 'POST',
      path: '/instances',
      operationId: 'createInstance',
      tag,
      summary: 'Create an instance',
      description:
        'Its session opens at once; `GET /instances/{id}/qr` then has the code to scan. For trying things out, `{"name": "Test", "provider": "sandbox"}` makes one with a simulated phone.',
      access: 'instances:write',
      scope: 'account',
      limit: 'standard',
      body: Type.Object({
        name: Name,
        provider: Type.Optional(
          literals(providers, {
            description:
              'baileys: WhatsApp; sandbox: a simulated phone. Without it, the first that is offered.',
          }),
        ),
        import_history: Type.Optional(
          Type.Boolean({
            default: false,
            description:
              'Whether messages from before the pairing are taken over, as far as the phone gives them',
          }),
        ),
      }),
      successDescription:
        'The instance. `hook_secret` signs what is posted to its incoming hooks; shown once.',
      responses: {
        201: envelope(Type.Object({ instance: InstanceView, hook_secret: Type.String() })),
      },
      examples: { body: { name: 'Support', provider: 'baileys', import_history: true } },
      async handle({ caller, body, request }) {
        const id = newId()
        const hookSecret = randomBytes(HOOK_SECRET_BYTES).toString('base64url')
        const number = await numbers('instance')
        const { name } = body
        const provider = offered(body.provider)
        const importsPast = body.import_history ?? false
        const command = { number, name, provider, hookSecret, importsPast, at: now() }
        const context = contextOf(caller, request)
        const { position } = await transact(Instance, id, create(command), context, { expectNew: true })
        await caughtUp(position, 'instances')
        const instance = await shown(caller, id)
        return reply(201, ok({ instance, hook_secret: hookSecret }, 'Instance created'))
      },
    }),
    route({
      method: 'GET',
      path: '/instances/:id',
      operationId: 'getInstance',
      tag,
      reads: ['instances', 'instanceActivity', 'outbox'],
      summary: 'One instance',
      access: 'instances:read',
      limit: 'standard',
      params,
      successDescription: 'The instance.',
      responses: { 200: envelope(InstanceView) },
      async handle({ caller, params }) {
        return reply(200, ok(await shown(caller, params.id)))
      },
    }),
    route({
      method: 'PATCH',
      path: '/instances/:id',
      operationId: 'changeInstance',
      tag,
      reads: ['instanceActivity', 'outbox'],
      summary: 'Rename an instance, or limit what it sends in a day',
      description:
        "A day is one of the account's time zone. Messages that are waiting to be sent count, those typed on the phone too; reactions, edits and deletions do not.",
      access: 'instances:write',
      scope: 'account',
      limit: 'standard',
      params,
      body: Type.Object({
        name: Type.Optional(Name),
        daily_limit: Type.Optional(
          Type.Union([Type.Integer({ minimum: 0, maximum: DAILY_LIMIT_MAX }), Type.Null()], {
            description: 'Messages in a day; 0 for any number, null for what this deployment allows',
          }),
        ),
      }),
      successDescription: 'The instance as it is now.',
      responses: { 200: envelope(InstanceView) },
      examples: { body: { name: 'Sales', daily_limit: 500 } },
      async handle({ caller, params, body, request }) {
        const { name, daily_limit: dailyLimit } = body
        const wanted = {
          ...(name !== undefined && { name }),
          ...(dailyLimit !== undefined && { dailyLimit }),
        }
        await change(caller, request, params.id, changeSettings(wanted, now()))
        return reply(200, ok(await shown(caller, params.id), 'Instance changed'))
      },
    }),
    route({
      method: 'DELETE',
      path: '/instances/:id',
      operationId: 'deleteInstance',
      tag,
      summary: 'Delete an instance',
      description: 'Unpairs the phone. What was said stays in the log.',
      access: 'instances:write',
      scope: 'account',
      limit: 'standard',
      params,
      successDescription: 'Deleted.',
      responses: { 200: Done },
      async handle({ caller, params, request }) {
        await change(caller, request, params.id, remove(now()))
        return reply(200, done('Instance deleted'))
      },
    }),
    route({
      method: 'GET',
      path: '/instances/:id/stats',
      operationId: 'getInstanceStats',
      tag,
      reads: ['instances', 'instanceActivity', 'outbox', 'conversations', 'contacts'],
      summary: 'Usage of the instance',
      description: "Days, weeks (from Monday) and months are those of the account's time zone.",
      access: 'instances:read',
      limit: 'standard',
      params,
      successDescription: 'The figures.',
      responses: {
        200: envelope(
          Type.Object({
            messages_sent_today: Type.Integer(),
            remaining_quota: Quota,
            daily_limit: Quota,
            messages_this_week: Type.Integer(),
            messages_this_month: Type.Integer(),
            messages_received_today: Type.Integer(),
            conversations_count: Type.Integer(),
            contacts_count: Type.Integer(),
          }),
        ),
      },
      async handle({ caller, params }) {
        const row = await instanceOf(caller, params.id)
        const [usage, conversations_count, contacts_count] = await Promise.all([
          usageOf(caller, [row]),
          countOfInstance(db, 'conversation', row),
          countOfInstance(db, 'contact', row),
        ])
        const { activity, quota } = usage(row)
        const { sentToday, sentThisWeek, sentThisMonth, receivedToday } = activity
        return reply(
          200,
          ok({
            messages_sent_today: sentToday,
            ...quota,
            messages_this_week: sentThisWeek,
            messages_this_month: sentThisMonth,
            messages_received_today: receivedToday,
            conversations_count,
            contacts_count,
          }),
        )
      },
    }),
  ]
}
