import type { Readable } from 'node:stream'
import type { Content, MediaMessage } from '../domain/content.ts'
import type { ConnectionReport, Provider } from '../domain/instance.ts'
import type { ReceiptStatus } from '../domain/message.ts'
import type { GroupGateway } from './groups.ts'

/** A message as WhatsApp addresses it, in a chat of the instance. */
export type MessageAddress = {
  readonly whatsappId: string
  /** JID of the chat, a person's or a group's. */
  readonly chat: string
  readonly fromMe: boolean
  /** JID of the author; in a group not the chat. */
  readonly sender: string
}

/** A WhatsApp message on its way out. Sending it again under the same id shows it once. */
export type Outgoing = {
  readonly instanceId: string
  readonly whatsappId: string
  readonly chat: string
  readonly content: Content
  /** The message that it replies to, reacts to, edits or deletes, as far as the log knows it. */
  readonly about?: MessageAddress & { readonly content: Content }
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
  /** It was said before the phone was paired: nobody is told of it as news. */
  readonly past?: true
}

/** The file of a message that comes in. */
export type IncomingFile = {
  readonly whatsappId: string
  readonly chat: string
  readonly fromMe: boolean
  /** JID of the author, where it is not the chat. */
  readonly sender?: string
  readonly content: MediaMessage
  readonly body: Readable
}

export type Receipt = {
  readonly whatsappId: string
  /** JID of the chat in which it was given; with it, it counts in no other. */
  readonly chat?: string
  readonly status: ReceiptStatus
  readonly at: string
}

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

/** Somebody gave a message another text, or took it back (`text` missing). It counts if it was the author. */
export type IncomingChange = {
  readonly targetWhatsappId: string
  readonly fromMe: boolean
  /** JID of the chat in which it was done; with it, it counts in no other. */
  readonly chat?: string
  /** JID of who did it; without it, the author. */
  readonly by?: string
  /** An admin of the group, which `chat` has to name, may take back what others wrote. */
  readonly asAdmin?: true
  readonly text?: string
  readonly at: string
}

/** What WhatsApp or the address book of the phone says of a person. */
export type ContactNews = {
  readonly jid: string
  /** As the address book of the phone has it. */
  readonly savedName?: string
  /** As people name themselves. */
  readonly pushName?: string
  /** It is a business account. */
  readonly isBusiness?: true
  /** There is another picture of the person, or none any more; a group has one, too, and nothing else is said of it. */
  readonly pictureChanged?: true
  readonly at: string
}

/** Two addresses of one person, which is known by `to` from now on: a hidden id and a number, or two spellings of a number. */
export type AddressLink = { readonly from: string; readonly to: string; readonly at: string }

/**
 * Who is told what happens at one instance. Each call resolves once the fact is stored: only then may the gateway
 * acknowledge it to WhatsApp. A call that rejects is to be made again.
 */
export interface GatewayListener {
  message(incoming: Incoming): Promise<void>
  receipt(receipt: Receipt): Promise<void>
  reaction(reaction: IncomingReaction): Promise<void>
  change(change: IncomingChange): Promise<void>
  contact(news: ContactNews): Promise<void>
  addressLink(link: AddressLink): Promise<void>
  /** Keeps the file of a message that is told afterwards, with the content that this answers. */
  file(file: IncomingFile): Promise<MediaMessage>
  connection(report: ConnectionReport): Promise<void>
}

/** How a send ended. `refused` is final; `retry` means that nothing is known: send again under the same id. */
export type SendOutcome =
  | { readonly kind: 'sent'; readonly at: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string }

/** A session that is to be open. */
export type SessionRef = {
  readonly instanceId: string
  /** Of this owner; what a lower term still writes is refused. */
  readonly term: number
  /** Whether what was said before the pairing is told as well. */
  readonly importsPast: boolean
}

export const presences = ['composing', 'recording', 'paused'] as const
export type Presence = (typeof presences)[number]

/** The WhatsApp side of instances. Every adapter passes `test/contracts/gateway.ts`. */
export interface Gateway {
  /** Starts a session, by itself or by QR; what happens is told to the listener. Already open: nothing. */
  open(session: SessionRef, listener: GatewayListener): Promise<void>
  /** Ends the session. `forget` also unpairs the phone. */
  close(instanceId: string, options: { readonly forget: boolean }): Promise<void>
  /** Whether WhatsApp can be reached through this instance at this moment. */
  connected(instanceId: string): boolean
  /** Hands a message to WhatsApp; answers within a bounded time and does not throw. */
  send(message: Outgoing): Promise<SendOutcome>
  /**
   * Asks for a code that is typed on the phone of that number instead of scanning the QR code; eight characters.
   * CONFLICT if the instance is paired, INSTANCE_NOT_CONNECTED if no session is open, REFUSED_BY_WHATSAPP, UNAVAILABLE.
   */
  pairingCode(instanceId: string, phoneNumber: string): Promise<string>
  /** Shows the authors of these messages that they were read. INSTANCE_NOT_CONNECTED, UNAVAILABLE. */
  markRead(instanceId: string, messages: readonly MessageAddress[]): Promise<void>
  /** Shows in a chat that somebody is typing or recording. INSTANCE_NOT_CONNECTED, UNAVAILABLE. */
  showPresence(instanceId: string, chat: string, presence: Presence): Promise<void>
  /** URL of the picture that a person or group shows this instance; undefined if none. INSTANCE_NOT_CONNECTED, UNAVAILABLE. */
  profilePicture(instanceId: string, jid: string): Promise<string | undefined>
  readonly groups: GroupGateway
}

/** The gateways that a deployment has. */
export type Gateways = { readonly [P in Provider]?: Gateway }
