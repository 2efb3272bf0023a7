import type { MediaMessage } from '../domain/content.ts'
import { conversationId, incomingMediaId, messageId, namesakeId } from '../domain/ids.ts'
import { Instance, report } from '../domain/instance.ts'
import { acknowledge, edit, Message, react, receive, takeBack } from '../domain/message.ts'
import type { Context } from '../domain/metadata.ts'
import type {
  AddressLink,
  ContactNews,
  GatewayListener,
  Incoming,
  IncomingChange,
  IncomingFile,
  IncomingReaction,
  Receipt,
} from '../ports/gateway.ts'
import type { Numbers } from '../ports/numbers.ts'
import type { Addresses } from './addresses.ts'
import type { Contacts } from './contacts.ts'
import type { FollowConversation, StartConversation, StartedConversation } from './conversations.ts'
import type { LinkAddresses } from './link-addresses.ts'
import type { MediaKeeper } from './media.ts'
import type { Load, Transact } from './transact.ts'
import type { ConnectionReport } from '../domain/instance.ts'

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly numbers: Numbers
  readonly startConversation: StartConversation
  readonly followConversation: FollowConversation
  readonly addresses: Pick<Addresses, 'nameOf' | 'believedNameOf'>
  readonly linkAddresses: LinkAddresses
  readonly contacts: Pick<Contacts, 'hear'>
  readonly media: Pick<MediaKeeper, 'spool' | 'keep'>
}

/** What comes from WhatsApp, in our own words, becomes facts. Told again, it changes nothing. */
export const createReceive = (parts: Parts) => {
  const { transact, load, numbers, startConversation, followConversation } = parts
  const { addresses, linkAddresses, contacts, media } = parts

  /** The JID by which the author of a message is known. */
  const authorIn = (instanceId: string, { chat }: StartedConversation, said: Said) =>
    said.sender === said.chat ? chat : addresses.believedNameOf(instanceId, said.sender)

  const isSamePerson = async (instanceId: string, one: string, other: string) =>
    one === other || (await addresses.nameOf(instanceId, one)) === (await addresses.nameOf(instanceId, other))

  const isIn = async (
    chat: StartedConversation,
    { conversationId: id }: { readonly conversationId: string },
  ) => id === chat.id || (await followConversation(id)).id === chat.id

  /** Whether a message is the one that is known under an id: of the same author, in the same chat. */
  const isSame = async (
    { body, direction }: Message,
    author: string,
    chat: StartedConversation,
    fromMe: boolean,
  ) => {
    if (!body) return true
    if (fromMe !== (direction === 'outgoing') || !(await isIn(chat, body))) return false
    return fromMe || !('sender' in body) || isSamePerson(body.instanceId, body.sender, author)
  }

  /**
   * The id of a message. WhatsApp ids are chosen by who writes: one that somebody else's message has already says
   * nothing of that one, and is kept beside it.
   */
  const idOf = async (instanceId: string, said: Said, author: string, chat: StartedConversation) => {
    const id = messageId(instanceId, said.whatsappId)
    const { state } = await load(Message, id)
    const isFree = await isSame(state, author, chat, said.fromMe)
    return isFree ? id : namesakeId(instanceId, said.whatsappId, chat.chat, author)
  }

  const message = async (instanceId: string, incoming: Incoming, context: Context) => {
    const { fromMe, past, ...words } = incoming
    const options = { incoming: !fromMe }
    const [conversation, number] = await Promise.all([
      startConversation(instanceId, incoming.chat, context, options),
      numbers('message'),
    ])
    const sender = await authorIn(instanceId, conversation, incoming)
    const data = {
      ...words,
      chat: conversation.chat,
      sender,
      number,
      instanceId,
      conversationId: conversation.id,
      conversationNumber: conversation.number,
      ...(past && { importedAt: new Date().toISOString() }),
    }
    const id = messageId(instanceId, incoming.whatsappId)
    const take = (id: string) => transact(Message, id, receive(data, fromMe), context, { expectNew: true })
    const taken = { id, ...(await take(id)) }
    const isTaken = taken.events.length > 0 || (await isSame(taken.state, sender, conversation, fromMe))
    const namesake = namesakeId(instanceId, incoming.whatsappId, conversation.chat, sender)
    const written = isTaken ? taken : { id: namesake, ...(await take(namesake)) }
    // Deleted in between, it would be there for those who read and not for those who write.
    const { conversationId: of = conversation.id } = written.state.body ?? {}
    const wrote = { id: written.id, conversationId: of, position: written.position }
    await startConversation(instanceId, incoming.chat, context, { ...options, surely: true, wrote })
    return written
  }

  /** `state.body` is missing if the message is not known. */
  const receipt = (instanceId: string, { whatsappId, status, at }: Receipt, context: Context) =>
    transact(Message, messageId(instanceId, whatsappId), acknowledge(status, at), context)

  const reaction = async (instanceId: string, incoming: IncomingReaction, context: Context) => {
    const { targetWhatsappId, chat, senderName, fromMe, emoji, at } = incoming
    const id = messageId(instanceId, targetWhatsappId)
    const [conversation, target] = await Promise.all([
      startConversation(instanceId, chat, context),
      load(Message, id),
    ])
    // Of a message in another chat, nobody here knows more than the id.
    const isHere = !target.state.body || (await isIn(conversation, target.state.body))
    const decide = react({
      instanceId,
      conversationId: conversation.id,
      conversationNumber: conversation.number,
      targetWhatsappId,
      by: await authorIn(instanceId, conversation, { ...incoming, whatsappId: targetWhatsappId }),
      ...(senderName !== undefined && { byName: senderName }),
      fromMe,
      emoji,
      at,
    })
    return transact(Message, id, isHere ? decide : () => [], context)
  }

  /** Who changes a message, by the JID that the message has; undefined if it is not in the chat of the change. */
  const changerOf = async ({ body }: Message, incoming: IncomingChange) => {
    if (!body) return {}
    const { instanceId } = body
    const [{ id: conversation }, there, by] = await Promise.all([
      followConversation(body.conversationId),
      incoming.chat === undefined ? undefined : addresses.nameOf(instanceId, incoming.chat),
      'sender' in body && incoming.by !== undefined && isSamePerson(instanceId, body.sender, incoming.by),
    ])
    if (there !== undefined && conversationId(instanceId, there) !== conversation) return undefined
    return {
      conversationId: conversation,
      ...(incoming.by !== undefined && { by: by && 'sender' in body ? body.sender : incoming.by }),
      ...(incoming.asAdmin && there !== undefined && { asAdmin: true }),
    }
  }

  /** Nothing, if the message is not known, or of somebody else. */
  const change = async (instanceId: string, incoming: IncomingChange, context: Context) => {
    const { targetWhatsappId, fromMe, by, chat, text, at } = incoming
    const decideOn = async (id: string) => {
      const changer = await changerOf((await load(Message, id)).state, incoming)
      if (!changer) return () => []
      return text === undefined ? takeBack(fromMe, at, changer) : edit(text, fromMe, at, changer)
    }
    const id = messageId(instanceId, targetWhatsappId)
    const written = await transact(Message, id, await decideOn(id), context)
    if (written.events.length > 0 || by === undefined || chat === undefined) return written
    // The author may have written under an id that was somebody else's already.
    const [where, who] = [await addresses.nameOf(instanceId, chat), await addresses.nameOf(instanceId, by)]
    const namesake = namesakeId(instanceId, targetWhatsappId, where, who)
    return transact(Message, namesake, await decideOn(namesake), context)
  }

  /** What is said of a person becomes part of the contact. */
  const contact = async (instanceId: string, { jid, pushName, at }: ContactNews, context: Context) =>
    contacts.hear({ instanceId, jid, ...(pushName !== undefined && { pushName }), at }, context)

  const addressLink = (instanceId: string, link: AddressLink, context: Context) =>
    linkAddresses(instanceId, link, context)

  /** Keeps the file of a message before the message itself is told. */
  const file = async (
    instanceId: string,
    { content, body, ...told }: IncomingFile,
    context: Context,
  ): Promise<MediaMessage> => {
    const { chat, sender = chat, fromMe } = told
    const options = { incoming: !fromMe }
    const conversation = await startConversation(instanceId, chat, context, options)
    const said = { ...told, sender }
    const author = await authorIn(instanceId, conversation, said)
    const id = await idOf(instanceId, said, author, conversation)
    const { kind, filename, mimeType } = content
    const type = kind === 'sticker' ? 'image' : kind
    const wanted = { type, filename, foreign: { mimeType: mimeType ?? null } }
    const place = {
      id: incomingMediaId(id, conversation.chat, author),
      instanceId,
      conversationId: conversation.id,
      messageId: id,
    }
    const kept = await media.keep(await media.spool(body, wanted, content.size), wanted, place, context)
    const wrote = { id: kept.id, conversationId: conversation.id }
    await startConversation(instanceId, chat, context, { ...options, surely: true, wrote })
    const { mimeType: found, size } = kept.file
    return { ...content, mediaId: kept.id, mimeType: found, size }
  }

  /** `term`: of the session that it is reported of, if that is one of ours. */
  const connection = (instanceId: string, told: ConnectionReport, context: Context, term?: number) =>
    transact(Instance, instanceId, report(told, term), context)

  return { message, receipt, reaction, change, contact, addressLink, file, connection }
}
export type Receive = ReturnType<typeof createReceive>
type Said = Pick<Incoming, 'whatsappId' | 'chat' | 'sender' | 'fromMe'>

/**
 * What one instance's gateway tells, taken down in the name of that gateway. Messages and receipts are true whoever
 * brings them; how the connection is, only the session with the highest term knows.
 */
export const listenerOf = (
  receive: Receive,
  instance: { readonly id: string; readonly tenantId: string; readonly term: number },
  newCorrelation: () => string,
): GatewayListener => {
  const context = (): Context => ({
    tenant: instance.tenantId,
    actor: { kind: 'gateway' },
    correlation: newCorrelation(),
  })
  return {
    message: async (incoming) => void (await receive.message(instance.id, incoming, context())),
    receipt: async (receipt) => void (await receive.receipt(instance.id, receipt, context())),
    reaction: async (reaction) => void (await receive.reaction(instance.id, reaction, context())),
    change: async (change) => void (await receive.change(instance.id, change, context())),
    contact: async (news) => void (await receive.contact(instance.id, news, context())),
    addressLink: async (link) => void (await receive.addressLink(instance.id, link, context())),
    file: (file) => receive.file(instance.id, file, context()),
    connection: async (report) =>
      void (await receive.connection(instance.id, report, context(), instance.term)),
  }
}
