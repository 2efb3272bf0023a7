import type { Content } from '../domain/content.ts'
import type { ConnectionReport } from '../domain/instance.ts'
import type { ReceiptStatus } from '../domain/message.ts'
import type { GroupGateway } from './groups.ts'

/** A WhatsApp message on its way out. Sending it again under the same id shows it once. */
export type Outgoing = {
  readonly instanceId: string
  readonly whatsappId: string
  readonly chat: string
  readonly content: Content
}

/** A WhatsApp message that came in, or was typed on the phone itself (`fromMe`), in our own words. */
export type Incoming = {
  readonly whatsappId: string
  /** JID of the chat, a person's or a group's. */
  readonly chat: string
  readonly chatName?: string
  readonly fromMe: boolean
  /** JID of the author; in a group not the chat. */
  readonly sender: string
  readonly senderName?: string
  readonly content: Content
  /** WhatsApp's time, ISO 8601. */
  readonly at: string
}

export type Receipt = { readonly whatsappId: string; readonly status: ReceiptStatus; readonly at: string }

export type IncomingReaction = {
  readonly targetWhatsappId: string
  readonly chat: string
  readonly sender: string
  readonly senderName?: string
  readonly fromMe: boolean
  /** Empty when the reaction is taken back. */
  readonly emoji: string
  readonly at: string
}

/** The author gave a message another text, or took it back (`text` missing). */
export type IncomingChange = {
  readonly targetWhatsappId: string
  readonly fromMe: boolean
  readonly text?: string
  readonly at: string
}

/**
 * Who is told what happens at one instance. Each call resolves once the fact is stored: only then may the gateway
 * acknowledge it to WhatsApp. A call that rejects is to be made again.
 */
export interface GatewayListener {
  message(incoming: Incoming): Promise<void>
  receipt(receipt: Receipt): Promise<void>
  reaction(reaction: IncomingReaction): Promise<void>
  change(change: IncomingChange): Promise<void>
  connection(report: ConnectionReport): Promise<void>
}

/** How a send ended. `refused` is final; `retry` means that nothing is known: send again under the same id. */
export type SendOutcome =
  | { readonly kind: 'sent'; readonly at: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string }

/** The WhatsApp side of instances. Every adapter passes `test/contracts/gateway.ts`. */
export interface Gateway {
  /** Starts a session, by itself or by QR; what happens is told to the listener. Already open: nothing. */
  open(instanceId: string, listener: GatewayListener): Promise<void>
  /** Ends the session. `forget` also unpairs the phone. */
  close(instanceId: string, options: { readonly forget: boolean }): Promise<void>
  /** Whether WhatsApp can be reached through this instance at this moment. */
  connected(instanceId: string): boolean
  /** Hands a message to WhatsApp; answers within a bounded time and does not throw. */
  send(message: Outgoing): Promise<SendOutcome>
  readonly groups: GroupGateway
}
