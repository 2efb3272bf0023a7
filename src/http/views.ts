import QRCode from 'qrcode'
import { Type, type Static } from 'typebox'
import { instanceStatuses, providers } from '../domain/instance.ts'
import { mediaKinds, messageStatuses } from '../domain/message.ts'
import { remainingOf, type DailyLimit } from '../domain/quota.ts'
import { literals, numberOf, Uuid } from '../domain/values.ts'
import type { ConversationRow } from '../projections/conversations.ts'
import type { Activity } from '../projections/instance-activity.ts'
import type { InstanceRow } from '../projections/instances.ts'
import type { MessageRow } from '../projections/messages.ts'
import { isoSeconds } from './format.ts'

const Nullable = Type.Union([Type.String(), Type.Null()])

export const ConversationView = Type.Object({
  id: Uuid,
  number: Type.Integer({ description: 'The `conversation_id` of webhooks; accepted wherever the UUID is' }),
  instance_id: Uuid,
  contact_number: Type.String(),
  contact_name: Nullable,
  display_name: Type.String(),
  is_group: Type.Boolean(),
  profile_picture_url: Nullable,
  last_message: Nullable,
  last_message_at: Nullable,
  unread_count: Type.Integer(),
  is_archived: Type.Boolean(),
})

export const conversationView = (row: ConversationRow): Static<typeof ConversationView> => ({
  id: row.id,
  number: row.number,
  instance_id: row.instance_id,
  contact_number: row.contact_number,
  contact_name: row.name,
  display_name: row.name ?? row.contact_number,
  is_group: row.is_group,
  profile_picture_url: null,
  last_message: row.last_message,
  last_message_at: row.last_message_at === null ? null : isoSeconds(row.last_message_at),
  unread_count: row.unread_count,
  is_archived: false,
})

const Reaction = Type.Object({
  emoji: Type.String(),
  sender_number: Type.String(),
  sender_name: Nullable,
  from_me: Type.Boolean(),
})

export const MessageView = Type.Object({
  id: Type.Integer({ description: 'For before_id and after_id' }),
  unique_id: Uuid,
  whatsapp_message_id: Type.String(),
  direction: literals(['incoming', 'outgoing']),
  is_from_me: Type.Boolean(),
  message_body: Nullable,
  media_type: Type.Union([literals(mediaKinds), Type.Null()]),
  media_url: Nullable,
  mime_type: Nullable,
  filename: Nullable,
  sender_number: Nullable,
  sender_name: Nullable,
  reply_to: Nullable,
  mentioned_jids: Type.Array(Type.String()),
  reactions: Type.Array(Reaction),
  status: literals(messageStatuses),
  error: Nullable,
  created_at: Type.String(),
})

export const messageView = (row: MessageRow): Static<typeof MessageView> => ({
  id: row.number,
  unique_id: row.id,
  whatsapp_message_id: row.whatsapp_id,
  direction: row.direction,
  is_from_me: row.direction === 'outgoing',
  message_body: row.body,
  media_type: mediaKinds.find((kind) => kind === row.kind) ?? null,
  media_url: row.media_url,
  mime_type: row.mime_type,
  filename: row.filename,
  sender_number: row.sender_jid === null ? null : numberOf(row.sender_jid),
  sender_name: row.sender_name,
  reply_to: row.reply_to,
  mentioned_jids: row.mentions,
  reactions: row.reactions.map(({ by, name, from_me, emoji }) => ({
    emoji,
    sender_number: by,
    sender_name: name,
    from_me,
  })),
  status: row.status,
  error: row.error,
  created_at: isoSeconds(row.at),
})

export const Quota = Type.Union([Type.Integer(), Type.Null()], { description: 'null: no limit' })

export const InstanceView = Type.Object({
  id: Type.Integer(),
  uuid: Uuid,
  name: Type.String(),
  provider: literals(providers),
  phone_number: Nullable,
  status: literals(instanceStatuses),
  connected: Type.Boolean(),
  messages_sent_today: Type.Integer(),
  daily_limit: Quota,
  remaining_quota: Quota,
  can_send_messages: Type.Boolean(),
  last_activity_at: Nullable,
  created_at: Type.String(),
})
/** What may be sent today, given how many messages were sent and how many wait to be. */
export const quotaView = (limit: DailyLimit, sentToday: number, waiting: number) => ({
  daily_limit: limit,
  remaining_quota: remainingOf(limit, sentToday + waiting),
})
export const instanceView = (
  row: InstanceRow,
  activity: Activity,
  quota: ReturnType<typeof quotaView>,
): Static<typeof InstanceView> => ({
  id: row.number,
  uuid: row.id,
  name: row.name,
  provider: row.provider,
  phone_number: row.phone_number,
  status: row.status,
  connected: row.status === 'connected',
  messages_sent_today: activity.sentToday,
  ...quota,
  can_send_messages: row.status === 'connected' && quota.remaining_quota !== 0,
  last_activity_at: activity.lastAt === null ? null : isoSeconds(activity.lastAt),
  created_at: isoSeconds(row.created_at),
})

export const QrView = Type.Object({
  status: literals(instanceStatuses),
  qr_code: Nullable,
  qr_code_text: Nullable,
  qr_generated_at: Nullable,
  qr_expired: Type.Boolean(),
  message: Type.String(),
})

const qrMessage = (row: InstanceRow, expired: boolean) => {
  if (row.status === 'connected') return 'The instance is already connected'
  if (row.qr === null) return 'No QR code yet; reconnect the instance or try again in a few seconds'
  return expired ? 'QR code expired; a new one follows' : 'QR code ready to scan'
}

export const qrView = async (row: InstanceRow): Promise<Static<typeof QrView>> => {
  const expired = row.qr_expires_at !== null && row.qr_expires_at < new Date().toISOString()
  return {
    status: row.status,
    qr_code: row.qr === null ? null : await QRCode.toDataURL(row.qr),
    qr_code_text: row.qr,
    qr_generated_at: row.qr_at === null ? null : isoSeconds(row.qr_at),
    qr_expired: expired,
    message: qrMessage(row, expired),
  }
}
