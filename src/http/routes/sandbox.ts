import { Type } from 'typebox'
import { receiptStatuses } from '../../domain/message.ts'
import { literals } from '../../domain/values.ts'
import { failureOutcomes, type SandboxPhone } from '../../ports/sandbox.ts'
import { envelope, Nullable, ok } from '../format.ts'
import type { ResolveInstance } from '../instances.ts'
import { reply, route, type Route } from '../route.ts'
import { timeOf } from '../times.ts'
import {
  changeOf,
  DeletionBody,
  EditBody,
  FailureBody,
  IncomingBody,
  incomingOf,
  OutboxMessage,
  outboxView,
  ReactionBody,
  reactionOf,
  ReceiptBody,
  ScanBody,
} from './sandbox-bodies.ts'

/** Everything at once, unless asked otherwise: tests look for what they sent. */
const OUTBOX_MAX = 10_000

export type SandboxParts = {
  readonly sandbox: SandboxPhone
  /** The instance that a caller names, whose session has to be here. */
  readonly resolveInstance: ResolveInstance
}

export const common = {
  tag: 'Sandbox',
  access: 'sandbox:use',
  limit: 'none',
  params: Type.Object({ id: Type.String({ description: 'UUID or number of a sandbox instance' }) }),
} as const
export const path = <const A extends string>(action: A) => `/sandbox/instances/:id/${action}` as const
const MessageId = Type.Object({ message_id: Type.String({ description: 'WhatsApp id' }) })
const Connected = Type.Object({ status: Type.Literal('connected') })

/** The simulated phone by REST, for anyone's tests. */
export const sandboxRoutes = ({ sandbox, resolveInstance }: SandboxParts): readonly Route[] => [
  route({
    ...common,
    method: 'POST',
    path: path('scan'),
    operationId: 'scanSandboxQr',
    summary: 'Scan the QR code with the simulated phone',
    description: 'Pairs the instance and connects it.',
    body: ScanBody,
    successDescription: 'Paired and connected.',
    responses: {
      200: envelope(
        Type.Object({
          status: Type.Literal('connected'),
          phone_number: Type.String(),
          profile_name: Nullable,
        }),
      ),
    },
    refusals: ['CONFLICT'],
    examples: {
      body: { phone_number: '5511999999999', name: 'Support' },
      response: ok({ status: 'connected', phone_number: '5511999999999', profile_name: 'Support' }),
    },
    async handle({ caller, params, body }) {
      const { id } = await resolveInstance(caller, params.id)
      const { phoneNumber, profileName = null } = await sandbox.scan(id, {
        ...(body.phone_number !== undefined && { phoneNumber: body.phone_number }),
        ...(body.name !== undefined && { name: body.name }),
      })
      return reply(200, ok({ status: 'connected', phone_number: phoneNumber, profile_name: profileName }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: path('incoming'),
    operationId: 'receiveSandboxMessage',
    summary: 'Let a message come in',
    description: 'Give `text`, or `media_type` with what belongs to it. Answers once the message is stored.',
    body: IncomingBody,
    successDescription: 'The WhatsApp id of the message.',
    responses: { 200: envelope(MessageId) },
    refusals: ['INSTANCE_NOT_CONNECTED'],
    examples: {
      body: { from: '5511988887777', name: 'Maria', text: 'Good morning!' },
      response: ok({ message_id: '3A5F0C9D2B7E41886A02' }),
    },
    async handle({ caller, params, body }) {
      const { id } = await resolveInstance(caller, params.id)
      const { whatsappId } = await sandbox.incoming(id, incomingOf(body))
      return reply(200, ok({ message_id: whatsappId }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: path('receipts'),
    operationId: 'receiveSandboxReceipt',
    summary: 'Let a receipt come in',
    description: 'The other side got, read or played a message of the outbox.',
    body: ReceiptBody,
    successDescription: 'The receipt is stored.',
    responses: {
      200: envelope(Type.Object({ message_id: Type.String(), status: literals(receiptStatuses) })),
    },
    refusals: ['INSTANCE_NOT_CONNECTED'],
    examples: {
      body: { message_id: '3EB0B430A8B7F23C1D12F0', status: 'read' },
      response: ok({ message_id: '3EB0B430A8B7F23C1D12F0', status: 'read' }),
    },
    async handle({ caller, params, body }) {
      const { id } = await resolveInstance(caller, params.id)
      const { message_id: whatsappId, status, at } = body
      await sandbox.receipt(id, { whatsappId, status, ...(at !== undefined && { at: timeOf(at, 'at') }) })
      return reply(200, ok({ message_id: whatsappId, status }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: path('reactions'),
    operationId: 'receiveSandboxReaction',
    summary: 'Let a reaction come in',
    body: ReactionBody,
    successDescription: 'The reaction is stored.',
    responses: { 200: envelope(Type.Object({ message_id: Type.String(), emoji: Type.String() })) },
    refusals: ['INSTANCE_NOT_CONNECTED'],
    examples: {
      body: { from: '5511988887777', message_id: '3EB0B430A8B7F23C1D12F0', emoji: '👍' },
      response: ok({ message_id: '3EB0B430A8B7F23C1D12F0', emoji: '👍' }),
    },
    async handle({ caller, params, body }) {
      const { id } = await resolveInstance(caller, params.id)
      await sandbox.reaction(id, reactionOf(body))
      return reply(200, ok({ message_id: body.message_id, emoji: body.emoji }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: path('edits'),
    operationId: 'receiveSandboxEdit',
    summary: 'Let the author edit a message',
    body: EditBody,
    successDescription: 'The new text is stored; nothing, if the message is not known.',
    responses: { 200: envelope(MessageId) },
    refusals: ['INSTANCE_NOT_CONNECTED'],
    examples: { body: { message_id: '3EB0B430A8B7F23C1D12F0', text: 'Hello, again' } },
    async handle({ caller, params, body }) {
      const { id } = await resolveInstance(caller, params.id)
      await sandbox.change(id, changeOf(body, body.text))
      return reply(200, ok({ message_id: body.message_id }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: path('deletions'),
    operationId: 'receiveSandboxDeletion',
    summary: 'Let the author take a message back',
    body: DeletionBody,
    successDescription: 'It is stored; nothing, if the message is not known.',
    responses: { 200: envelope(MessageId) },
    refusals: ['INSTANCE_NOT_CONNECTED'],
    examples: { body: { message_id: '3EB0B430A8B7F23C1D12F0' } },
    async handle({ caller, params, body }) {
      const { id } = await resolveInstance(caller, params.id)
      await sandbox.change(id, changeOf(body))
      return reply(200, ok({ message_id: body.message_id }))
    },
  }),
  route({
    ...common,
    method: 'GET',
    path: path('outbox'),
    operationId: 'getSandboxOutbox',
    summary: 'What "WhatsApp" got from the instance',
    description: 'In the order of arrival. A message that was sent again under the same id is there once.',
    query: Type.Object({
      limit: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: OUTBOX_MAX,
          default: OUTBOX_MAX,
          description: 'How many at most',
        }),
      ),
      after: Type.Optional(
        Type.String({ description: 'Only what came after the message with this message_id' }),
      ),
    }),
    successDescription: 'The messages, oldest first.',
    responses: { 200: envelope(Type.Object({ messages: Type.Array(OutboxMessage) })) },
    async handle({ caller, params, query }) {
      const { id } = await resolveInstance(caller, params.id)
      const { limit = OUTBOX_MAX, after } = query
      const messages = await sandbox.outbox(id, { limit, ...(after !== undefined && { after }) })
      return reply(200, ok({ messages: messages.map(outboxView) }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: path('failures'),
    operationId: 'scriptSandboxFailure',
    summary: 'Script failures of the next sends',
    description:
      'Used up in the order given; what is left is forgotten when the session closes, or moves to another node.',
    body: FailureBody,
    successDescription: 'The next sends will end like this.',
    responses: {
      200: envelope(Type.Object({ outcome: literals(failureOutcomes), times: Type.Integer() })),
    },
    examples: {
      body: { outcome: 'refuse', times: 1, reason: 'Not on WhatsApp' },
      response: ok({ outcome: 'refuse', times: 1 }),
    },
    async handle({ caller, params, body }) {
      const { id } = await resolveInstance(caller, params.id)
      const { outcome, times = 1, reason, delay_ms: delayMs } = body
      await sandbox.fail(id, {
        on: 'send',
        outcome,
        times,
        ...(reason !== undefined && { reason }),
        ...(delayMs !== undefined && { delayMs }),
      })
      return reply(200, ok({ outcome, times }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: path('disconnect'),
    operationId: 'disconnectSandboxPhone',
    summary: 'Take the network from the simulated phone',
    description: 'The instance is offline until `connect`.',
    body: Type.Object({
      reason: Type.Optional(Type.String({ maxLength: 200, description: 'Reported as the reason' })),
    }),
    successDescription: 'Offline.',
    responses: { 200: envelope(Type.Object({ status: Type.Literal('offline') })) },
    refusals: ['INSTANCE_NOT_CONNECTED'],
    async handle({ caller, params, body }) {
      const { id } = await resolveInstance(caller, params.id)
      await sandbox.disconnect(id, body.reason)
      return reply(200, ok({ status: 'offline' }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: path('connect'),
    operationId: 'connectSandboxPhone',
    summary: 'Give the simulated phone its network again',
    successDescription: 'Connected.',
    responses: { 200: envelope(Connected) },
    refusals: ['INSTANCE_NOT_CONNECTED'],
    async handle({ caller, params }) {
      const { id } = await resolveInstance(caller, params.id)
      await sandbox.connect(id)
      return reply(200, ok({ status: 'connected' }))
    },
  }),
]
