import type { Content } from '../domain/content.ts'
import type { ReceiptStatus } from '../domain/message.ts'
import type { Presence } from './gateway.ts'

/** What "WhatsApp" got from an instance. */
export type SandboxMessage = {
  readonly whatsappId: string
  /** JID of the person or group it went to. */
  readonly chat: string
  readonly content: Content
  /** When it came first, ISO 8601. */
  readonly at: string
  /** More than 1 if it was sent again under the same id. */
  readonly timesReceived: number
}

/**
 * A group: its digits or JID, or anything else as its name. The same name is always the same group of an instance.
 */
export type SandboxGroup = string | { readonly id?: string; readonly name?: string }

export type SandboxWritten = {
  /** Number or JID of the author; with `fromMe` the person in whose chat it is written. */
  readonly from: string
  readonly name?: string
  readonly group?: SandboxGroup
  /** Written on the phone itself, not by the other side. */
  readonly fromMe?: boolean
  /** WhatsApp's time, ISO 8601; without it, now. */
  readonly at?: string
}

export type SandboxIncoming = SandboxWritten & {
  readonly content: Content
  /** The id that WhatsApp gives; without it, a new one. */
  readonly whatsappId?: string
}

/** An empty emoji takes the reaction back. */
export type SandboxReaction = SandboxWritten & { readonly targetWhatsappId: string; readonly emoji: string }

/** The author of a message gives it another text, or takes it back (without `text`). */
export type SandboxChange = {
  readonly whatsappId: string
  /** The message was written on the phone, or sent through this API. */
  readonly fromMe?: boolean
  readonly text?: string
  readonly at?: string
}

/** What becomes known of a person, or of a group, which has a picture only. */
export type SandboxContact = {
  /** Number or JID. */
  readonly of: string
  /** As the address book of the phone has it. */
  readonly savedName?: string
  /** As people name themselves. */
  readonly pushName?: string
  /** Where the picture is; null for none from now on. */
  readonly pictureUrl?: string | null
}

/** What the instance let other people see. */
export type SandboxSign = { readonly chat: string; readonly at: string } & (
  | { readonly kind: 'read'; readonly whatsappId: string; readonly sender: string }
  | { readonly kind: 'presence'; readonly presence: Presence }
)

export type SandboxReceipt = {
  readonly whatsappId: string
  readonly status: ReceiptStatus
  readonly at?: string
}

export const failureOutcomes = ['refuse', 'lost_ack', 'unavailable', 'slow', 'disconnect'] as const
/**
 * How the next `times` sends end. Only `lost_ack` and `slow` get into the outbox. `refuse`: for good, with the reason;
 * `lost_ack`: nothing is answered; `unavailable`: WhatsApp is not there; `slow`: answered after `delayMs`, 30 seconds
 * at most; `disconnect`: the connection drops.
 */
export type SandboxFailure = {
  readonly on: 'send'
  readonly outcome: (typeof failureOutcomes)[number]
  readonly times: number
  readonly reason?: string
  readonly delayMs?: number
}

export type SandboxProfile = { readonly phoneNumber: string; readonly profileName?: string }

/**
 * The hands on a simulated phone, and the people it talks to. What comes from it is stored when a call resolves.
 *
 * Where no session is open, a call waits for one for a moment and refuses with NOT_FOUND; those that need the
 * connection refuse with INSTANCE_NOT_CONNECTED without it. Failures and a lost network last until the session is closed,
 * or is opened at another node.
 */
export interface SandboxPhone {
  /** Scans the QR code: pairs and connects. Without a number it has one of its own. CONFLICT if already paired. */
  scan(
    instanceId: string,
    options: { readonly phoneNumber?: string; readonly name?: string },
  ): Promise<SandboxProfile>
  /** A message comes in, or is typed on the phone. */
  incoming(instanceId: string, message: SandboxIncoming): Promise<{ readonly whatsappId: string }>
  /** The other side got or read a message; NOT_FOUND if the outbox does not have it. */
  receipt(instanceId: string, receipt: SandboxReceipt): Promise<void>
  reaction(instanceId: string, reaction: SandboxReaction): Promise<void>
  change(instanceId: string, change: SandboxChange): Promise<void>
  /** What was sent, in the order of arrival, from just after the message with the id `after`. */
  outbox(
    instanceId: string,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<readonly SandboxMessage[]>
  /** What WhatsApp and the address book say of somebody. The picture is shown until the session is closed. */
  contact(instanceId: string, contact: SandboxContact): Promise<void>
  /** The newest signs, oldest first, since the session was opened. */
  signs(instanceId: string): Promise<readonly SandboxSign[]>
  /** Scripts failures; they are used up in the order in which they were given. */
  fail(instanceId: string, failure: SandboxFailure): Promise<void>
  /** The phone loses its network: offline. */
  disconnect(instanceId: string, reason?: string): Promise<void>
  /** The phone has its network again. */
  connect(instanceId: string): Promise<void>
}
