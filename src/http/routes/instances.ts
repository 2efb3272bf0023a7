import { randomBytes } from 'node:crypto'
import { Type } from 'typebox'
import type { Decide } from '../../domain/decider.ts'
import { notFound } from '../../domain/errors.ts'
import { newId } from '../../domain/ids.ts'
import {
  close,
  create,
  Instance,
  instanceStatuses,
  open,
  providers,
  remove,
  type InstanceEvent,
} from '../../domain/instance.ts'
import type { Context } from '../../domain/metadata.ts'
import { literals, Uuid } from '../../domain/values.ts'
import { findTenant } from '../../projections/accounts.ts'
import { countConversations } from '../../projections/conversations.ts'
import { activityOf } from '../../projections/instance-activity.ts'
import { listInstances, type InstanceRow } from '../../projections/instances.ts'
import { contextOf } from '../context.ts'
import { Done, done, envelope, ok } from '../format.ts'
import type { Instances } from '../instances.ts'
import { reply, route, type Caller, type RouteRequest } from '../route.ts'
import type { Services } from '../services.ts'
import { InstanceView, instanceView, qrView, QrView, Quota } from '../instance-view.ts'

const tag = 'Instances'
const HOOK_SECRET_BYTES = 24
const Nullable = Type.Union([Type.String(), Type.Null()])
const params = Type.Object({ id: Type.String({ description: 'UUID or number of the instance' }) })

export const instanceRoutes = (services: Services, instances: Instances) => {
  const { db, transact, numbers, caughtUp, gatewayOf } = services

  const rowOf = async (caller: Caller, ref: string): Promise<InstanceRow> => {
    const { id } = await instances.ofCaller(caller, ref)
    const row = await db.selectFrom('instance').selectAll().where('id', '=', id).executeTakeFirst()
    if (!row) throw notFound('Instance')
    return row
  }
  const timeZoneOf = async ({ tenantId }: Caller) => (await findTenant(db, tenantId))?.time_zone ?? 'UTC'
  const view = async (caller: Caller, row: InstanceRow) =>
    instanceView(row, (await activityOf(db, [row.id], await timeZoneOf(caller)))(row.id))

  const change = async (
    caller: Caller,
    request: RouteRequest,
    ref: string,
    decide: Decide<Instance, InstanceEvent>,
  ) => {
    const { id } = await instances.ofCaller(caller, ref)
    const { position } = await transact(Instance, id, decide, contextOf(caller, request))
    await caughtUp(position, 'instances')
  }

  return [
    route({
      method: 'GET',
      path: '/instances',
      operationId: 'listInstances',
      tag,
      reads: ['instances', 'instanceActivity'],
      summary: 'All instances',
      access: 'instances:read',
      limit: 'standard',
      query: Type.Object({ status: Type.Optional(literals(instanceStatuses)) }),
      successDescription: 'The instances that this token reaches.',
      responses: { 200: envelope(Type.Object({ instances: Type.Array(InstanceView) })) },
      async handle({ caller, query }) {
        const rows = await listInstances(db, caller.tenantId, query.status, caller.instanceId)
        const ids = rows.map(({ id }) => id)
        const activity = await activityOf(db, ids, await timeZoneOf(caller))
        return reply(200, ok({ instances: rows.map((row) => instanceView(row, activity(row.id))) }))
      },
    }),
    route({
      method: 'POST',
      path: '/instances',
      operationId: 'createInstance',
      tag,
      summary: 'Create an instance',
      description: 'Its session opens at once; `GET /instances/{id}/qr` then has the code to scan.',
      access: 'instances:write',
      scope: 'account',
      limit: 'standard',
      body: Type.Object({
        name: Type.String({ minLength: 1, maxLength: 100 }),
        provider: Type.Optional(literals(providers, { description: 'sandbox: a simulated phone' })),
      }),
      successDescription:
        'The instance. `hook_secret` signs what is posted to its incoming hooks; shown once.',
      responses: {
        201: envelope(Type.Object({ instance: InstanceView, hook_secret: Type.String() })),
      },
      examples: { body: { name: 'Support', provider: 'sandbox' } },
      async handle({ caller, body, request }) {
        const id = newId()
        const hookSecret = randomBytes(HOOK_SECRET_BYTES).toString('base64url')
        const number = await numbers('instance')
        const { name, provider = 'sandbox' } = body
        const command = { number, name, provider, hookSecret, at: new Date().toISOString() }
        const context: Context = contextOf(caller, request)
        const { position } = await transact(Instance, id, create(command), context, { expectNew: true })
        await caughtUp(position, 'instances')
        const instance = await view(caller, await rowOf(caller, id))
        return reply(201, ok({ instance, hook_secret: hookSecret }, 'Instance created'))
      },
    }),
    route({
      method: 'GET',
      path: '/instances/:id',
      operationId: 'getInstance',
      tag,
      reads: ['instances', 'instanceActivity'],
      summary: 'One instance',
      access: 'instances:read',
      limit: 'standard',
      params,
      successDescription: 'The instance.',
      responses: { 200: envelope(InstanceView) },
      async handle({ caller, params }) {
        return reply(200, ok(await view(caller, await rowOf(caller, params.id))))
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
        await change(caller, request, params.id, remove(new Date().toISOString()))
        return reply(200, done('Instance deleted'))
      },
    }),
    route({
      method: 'GET',
      path: '/instances/:id/qr',
      operationId: 'getInstanceQr',
      tag,
      reads: ['instances'],
      summary: 'QR code to connect the instance',
      access: 'instances:read',
      limit: 'standard',
      params,
      successDescription: 'The code as text and as a PNG data URL; null while there is none.',
      responses: {
        200: envelope(QrView),
      },
      async handle({ caller, params }) {
        const row = await rowOf(caller, params.id)
        return reply(200, ok(await qrView(row)))
      },
    }),
    route({
      method: 'GET',
      path: '/instances/:id/status',
      operationId: 'getInstanceStatus',
      tag,
      reads: ['instances'],
      summary: 'Status of the instance',
      access: 'instances:read',
      limit: 'standard',
      params,
      query: Type.Object({
        realtime: Type.Optional(Type.Boolean({ description: 'Ask the connection itself, not the records' })),
      }),
      successDescription: 'The status.',
      responses: {
        200: envelope(
          Type.Object({
            uuid: Uuid,
            status: literals(instanceStatuses),
            connected: Type.Boolean(),
            phone_number: Nullable,
            realtime: Type.Boolean(),
          }),
        ),
      },
      async handle({ caller, params, query }) {
        const row = await rowOf(caller, params.id)
        const realtime = query.realtime ?? false
        const recorded = row.status === 'connected'
        const connected = realtime ? (gatewayOf(row.id)?.connected(row.id) ?? false) : recorded
        const status = connected ? 'connected' : recorded ? 'offline' : row.status
        return reply(200, ok({ uuid: row.id, status, connected, phone_number: row.phone_number, realtime }))
      },
    }),
    route({
      method: 'GET',
      path: '/instances/:id/stats',
      operationId: 'getInstanceStats',
      tag,
      reads: ['instanceActivity', 'conversations'],
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
        const { id } = await instances.ofCaller(caller, params.id)
        const [activity, counts] = await Promise.all([
          activityOf(db, [id], await timeZoneOf(caller)),
          countConversations(db, id),
        ])
        const { sentToday, sentThisWeek, sentThisMonth, receivedToday } = activity(id)
        return reply(
          200,
          ok({
            messages_sent_today: sentToday,
            remaining_quota: null,
            daily_limit: null,
            messages_this_week: sentThisWeek,
            messages_this_month: sentThisMonth,
            messages_received_today: receivedToday,
            conversations_count: counts.conversations,
            contacts_count: counts.people,
          }),
        )
      },
    }),
    route({
      method: 'POST',
      path: '/instances/:id/disconnect',
      operationId: 'disconnectInstance',
      tag,
      summary: 'Disconnect the instance',
      description: 'The phone stays paired: reconnect needs no new QR code.',
      access: 'instances:write',
      limit: 'standard',
      params,
      successDescription: 'Disconnected.',
      responses: { 200: Done },
      async handle({ caller, params, request }) {
        await change(caller, request, params.id, close(new Date().toISOString()))
        return reply(200, done('Instance disconnected'))
      },
    }),
    route({
      method: 'POST',
      path: '/instances/:id/reconnect',
      operationId: 'reconnectInstance',
      tag,
      summary: 'Connect the instance again',
      access: 'instances:write',
      limit: 'standard',
      params,
      successDescription: 'The connection is being made.',
      responses: { 200: Done },
      async handle({ caller, params, request }) {
        await change(caller, request, params.id, open(new Date().toISOString()))
        return reply(200, done('Reconnection started'))
      },
    }),
  ]
}
