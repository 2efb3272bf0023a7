import { Type } from 'typebox'
import { close, instanceStatuses, open } from '../../domain/instance.ts'
import { literals, toPhoneNumber, Uuid } from '../../domain/values.ts'
import { GivenInstance } from '../fields.ts'
import type { Finders } from '../finders.ts'
import { Done, done, envelope, Nullable, ok } from '../format.ts'
import { qrView, QrView } from '../instance-view.ts'
import type { Instances } from '../instances.ts'
import { createReach } from '../reach.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'
import { now } from '../times.ts'
import { createInstanceChange } from './instances.ts'

const common = { tag: 'Instances', limit: 'standard', params: Type.Object({ id: GivenInstance }) } as const

/** As phones show it: `ABCD-EFGH`. */
const spelled = (code: string) => `${code.slice(0, 4)}-${code.slice(4)}`

/** The connection of an instance to WhatsApp: its QR code, its status, ending it and making it again. */
export const instanceConnectionRoutes = (
  services: Services,
  instances: Instances,
  { instanceOf }: Finders,
) => {
  const { gatewayOf, owners } = services
  const change = createInstanceChange(services, instances)
  const reach = createReach(services)

  return [
    route({
      ...common,
      method: 'GET',
      path: '/instances/:id/qr',
      operationId: 'getInstanceQr',
      reads: ['instances'],
      summary: 'QR code to connect the instance',
      access: 'instances:write',
      successDescription: 'The code as text and as a PNG data URL; null while there is none.',
      responses: {
        200: envelope(QrView),
      },
      async handle({ caller, params }) {
        return reply(200, ok(await qrView(await instanceOf(caller, params.id))))
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/instances/:id/pairing-code',
      operationId: 'requestPairingCode',
      summary: 'Code to connect the instance without a camera',
      description:
        'Instead of the QR code: the code is typed on the phone, under linked devices, "Link with phone number instead". CONFLICT if the instance is paired already. A code is good until the next one is asked for, a few minutes at most.',
      access: 'instances:write',
      body: Type.Object({
        phone_number: Type.String({
          minLength: 1,
          maxLength: 40,
          description: 'Number of the phone that is to be paired, with country code',
        }),
      }),
      successDescription: 'The code.',
      responses: {
        200: envelope(Type.Object({ code: Type.String(), phone_number: Type.String() })),
      },
      refusals: ['CONFLICT', 'INSTANCE_NOT_CONNECTED', 'REFUSED_BY_WHATSAPP'],
      examples: {
        body: { phone_number: '5511999999999' },
        response: ok({ code: 'ABCD-EFGH', phone_number: '5511999999999' }, 'Type this code on the phone'),
      },
      async handle({ caller, params, body }) {
        const { id } = await instances.ofCaller(caller, params.id)
        const phoneNumber = toPhoneNumber(body.phone_number, 'phone_number')
        const gateway = await reach(id)
        const code = spelled(await gateway.pairingCode(id, phoneNumber))
        return reply(200, ok({ code, phone_number: phoneNumber }, 'Type this code on the phone'))
      },
    }),
    route({
      ...common,
      method: 'GET',
      path: '/instances/:id/status',
      operationId: 'getInstanceStatus',
      reads: ['instances'],
      summary: 'Status of the instance',
      access: 'instances:read',
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
        const row = await instanceOf(caller, params.id)
        const realtime = query.realtime ?? false
        const recorded = row.status === 'connected'
        if (realtime) await owners.mustNotBeElsewhere(row.id)
        const connected = realtime ? (gatewayOf(row.id)?.connected(row.id) ?? false) : recorded
        const status = connected ? 'connected' : recorded ? 'offline' : row.status
        return reply(200, ok({ uuid: row.id, status, connected, phone_number: row.phone_number, realtime }))
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/instances/:id/disconnect',
      operationId: 'disconnectInstance',
      summary: 'Disconnect the instance',
      description: 'The phone stays paired: reconnect needs no new QR code.',
      access: 'instances:write',
      successDescription: 'Disconnected.',
      responses: { 200: Done },
      async handle({ caller, params, request }) {
        await change(caller, request, params.id, close(now()))
        return reply(200, done('Instance disconnected'))
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/instances/:id/reconnect',
      operationId: 'reconnectInstance',
      summary: 'Connect the instance again',
      access: 'instances:write',
      successDescription: 'The connection is being made.',
      responses: { 200: Done },
      async handle({ caller, params, request }) {
        await change(caller, request, params.id, open(now()))
        return reply(200, done('Reconnection started'))
      },
    }),
  ]
}
