import QRCode from 'qrcode'
import { Type, type Static } from 'typebox'
import { instanceStatuses, providers } from '../domain/instance.ts'
import { remainingOf, type DailyLimit } from '../domain/quota.ts'
import { literals, Uuid } from '../domain/values.ts'
import type { Activity } from '../projections/instance-activity.ts'
import type { InstanceRow } from '../projections/instances.ts'
import { isoSeconds, Nullable, secondsOrNull } from './format.ts'
import { now } from './times.ts'

export const Quota = Type.Union([Type.Integer(), Type.Null()], { description: 'null: no limit' })

export const InstanceView = Type.Object({
  id: Type.Integer(),
  uuid: Uuid,
  name: Type.String(),
  provider: literals(providers),
  import_history: Type.Boolean({
    description: 'Messages from before the pairing are taken over, as far as the phone gives them',
  }),
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
  import_history: row.imports_past,
  phone_number: row.phone_number,
  status: row.status,
  connected: row.status === 'connected',
  messages_sent_today: activity.sentToday,
  ...quota,
  can_send_messages: row.status === 'connected' && quota.remaining_quota !== 0,
  last_activity_at: secondsOrNull(activity.lastAt),
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

const qrMessage = ({ status }: InstanceRow, expired: boolean): string => {
  switch (status) {
    case 'pending':
      return 'No QR code yet; try again in a few seconds'
    case 'qr_ready':
      return expired ? 'QR code expired; a new one follows' : 'QR code ready to scan'
    case 'connected':
      return 'The instance is already connected'
    case 'disconnected':
      return 'The instance is disconnected; reconnect it'
    case 'offline':
      return 'There is no connection to WhatsApp; it is tried again and again'
  }
}

export const qrView = async (row: InstanceRow): Promise<Static<typeof QrView>> => {
  const expired = row.qr_expires_at !== null && row.qr_expires_at < now()
  return {
    status: row.status,
    qr_code: row.qr === null ? null : await QRCode.toDataURL(row.qr),
    qr_code_text: row.qr,
    qr_generated_at: secondsOrNull(row.qr_at),
    qr_expired: expired,
    message: qrMessage(row, expired),
  }
}
