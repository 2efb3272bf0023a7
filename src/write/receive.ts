import { LRUCache } from 'lru-cache'
import { heardName } from '../domain/contact.ts'
import { isMedia, type Content, type MediaMessage } from '../domain/content.ts'
import { conversationId, incomingMediaId, messageId, namesakeId } from '../domain/ids.ts'
import { Instance, report } from '../domain/instance.ts'
import { fileUrl } from '../domain/media.ts'
import { edit, takeBack } from '../domain/message-changes.ts'
import { Message, react, receive } from '../domain/message.ts'
import type { Context } from '../domain/metadata.ts'
import { isGroup } from '../domain/values.ts'
import type {
  AddressLink,
  ContactNews,
  GatewayListener,
  Incoming,
  IncomingChange,
  IncomingFile,
  IncomingReaction,
} from '../ports/gateway.ts'
import type { Numbers } from '../ports/numbers.ts'
import type { Addresses } from './addresses.ts'
import { createAuthors } from './authors.ts'
import type { Contacts } from './contacts.ts'
import type { FollowConversation, StartConversation } from './conversations.ts'
import type { LinkAddresses } from './link-addresses.ts'
import type { KeptMedia, MediaKeeper } from './media.ts'
import { createReceipt } from './receipts.ts'
import type { Load, Transact } from './transact.ts'
import type { ConnectionReport } from '../domain/instance.ts'

/** Messages whose files were told of, and which follow soon. */
const FILED_KEPT = 1000

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly numbers: Numbers
  readonly startConversation: StartConversation
  readonly followConversation: FollowConversation
  readonly addresses: Pick<Addresses, 'nameOf' | 'believedNameOf'>
  readonly linkAddresses: LinkAddresses
  readonly contacts: Pick<Contacts, 'hear'>
  readonly media: Pick<MediaKeeper, 'spool' | 'keep' | 'find'>
  /** Where this server is reached, for the addresses of files. */
  readonly baseUrl: string
}

/** What comes from WhatsApp, in our own words, becomes facts. Told again, it changes nothing. */
export const createReceive = (parts: Parts) => {
  const { transact, load, numbers, startConversation, followConversation } = parts
  const { addresses, linkAddresses, contacts, media, baseUrl } = parts
  const { authorIn, isSamePerson, isIn, isSame, idOf } = createAuthors(parts)
  const receipt = createReceipt({ transact, addresses, isIn })

  /** Its file may have gone, with the conversation that it was to be in, since it was kept. */
  const presentContent = async (content: Content): Promise<Content> =>
    isMedia(content) && content.mediaId !== undefined && (await media.find(content.mediaId)) === 'deleted'
      ? withoutFile(content)
      : content

  const message = async (instanceId: string, incoming: Incoming, context: Context) => {
    const { fromMe, past, ...words } = incoming
    const options = { incoming: !fromMe }
    const [conversation, number, content] = await Promise.all([
      startConversation(instanceId, incoming.chat, context, options),
      numbers('message'),
      presentContent(incoming.content),
    ])
    const sender = await authorIn(instanceId, conversation, incoming)
    const data = {
      ...words,
      content,
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
      by: await authorIn(instanceId, conversation, incoming),
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

  /** What is said of a person becomes part of the contact. A picture is not said, but asked for. */
  const contact = async (instanceId: string, news: ContactNews, context: Context) => {
    const { jid, isBusiness, at } = news
    const [pushName, bookName] = [heardName(news.pushName), heardName(news.savedName)]
    const heard = {
      ...(pushName !== undefined && { pushName }),
      ...(bookName !== undefined && { bookName }),
      ...(isBusiness && { business: true }),
    }
    if (Object.keys(heard).length > 0 && !isGroup(jid))
      await contacts.hear({ instanceId, jid, ...heard, at }, context)
  }

  const addressLink = (instanceId: string, link: AddressLink, context: Context) =>
    linkAddresses(instanceId, link, context)

  /** Keeps the file of a message before the message itself is told. One that was kept before is not read again. */
  const file = async (
    instanceId: string,
    { content, body, ...told }: IncomingFile,
    context: Context,
  ): Promise<MediaMessage> => {
    const { chat, sender = chat, fromMe } = told
    const look = async () => {
      const name = await addresses.nameOf(instanceId, chat)
      const where = { id: conversationId(instanceId, name), chat: name }
      const author = await authorIn(instanceId, where, { chat, sender })
      const id = await idOf(instanceId, { ...told, sender }, author, where)
      const mediaId = incomingMediaId(id, name, author)
      return { id, mediaId, known: await media.find(mediaId) }
    }
    const { id, mediaId, known } = await look().catch((error: unknown) => {
      body.destroy()
      throw error
    })
    if (known) {
      body.destroy()
      return known === 'deleted' ? withoutFile(content) : withFile(content, known, baseUrl)
    }
    const { kind, filename, mimeType } = content
    const type = kind === 'sticker' ? 'image' : kind
    const wanted = { type, filename, foreign: { mimeType: mimeType ?? null } } as const
    const spooled = await media.spool(body, wanted, content.size)
    // Not before the file is here: a conversation that is deleted meanwhile does not take it away.
    const options = { incoming: !fromMe }
    const conversation = await startConversation(instanceId, chat, context, options).catch(
      async (error: unknown) => {
        await spooled.discard()
        throw error
      },
    )
    const place = { id: mediaId, instanceId, conversationId: conversation.id, messageId: id }
    const kept = await media.keep(spooled, wanted, place, context)
    // Merged meanwhile, it is there with what it goes on as.
    const wrote = { id: kept.id, conversationId: conversation.id }
    await startConversation(instanceId, chat, context, { ...options, surely: true, wrote })
    return withFile(content, kept, baseUrl)
  }

  /** `term`: of the session that it is reported of, if that is one of ours. */
  const connection = (instanceId: string, told: ConnectionReport, context: Context, term?: number) =>
    transact(Instance, instanceId, report(told, term), context)

  return { message, receipt, reaction, change, contact, addressLink, file, connection }
}
export type Receive = ReturnType<typeof createReceive>

/** What is told of a file is what was found; its name has no folders in it any more. */
const withFile = (
  { filename: _told, mediaMissing: _before, ...content }: MediaMessage,
  { id, file }: KeptMedia,
  baseUrl: string,
): MediaMessage => {
  const { mimeType, size, filename } = file
  const named = filename !== undefined && { filename }
  return { ...content, url: fileUrl(baseUrl, file), mediaId: id, mimeType, size, ...named }
}

const withoutFile = ({ mediaId: _id, url: _url, ...content }: MediaMessage): MediaMessage => ({
  ...content,
  mediaMissing: 'unavailable',
})

/**
 * What one instance's gateway tells, taken down in the name of that gateway. Messages and receipts are true whoever
 * brings them; how the connection is, only the session with the highest term knows.
 */
export const listenerOf = (
  receive: Receive,
  instance: { readonly id: string; readonly tenantId: string; readonly term: number },
  newCorrelation: () => string,
): GatewayListener => {
  const context = (correlation = newCorrelation()): Context => ({
    tenant: instance.tenantId,
    actor: { kind: 'gateway' },
    correlation,
  })
  /** A file is told before the message that it came with: both are one. */
  const filed = new LRUCache<string, string>({ max: FILED_KEPT })
  const keyOf = ({ chat, whatsappId }: Pick<Incoming, 'chat' | 'whatsappId'>) => `${chat} ${whatsappId}`
  return {
    message: async (incoming) =>
      void (await receive.message(instance.id, incoming, context(filed.get(keyOf(incoming))))),
    receipt: async (receipt) => void (await receive.receipt(instance.id, receipt, context())),
    reaction: async (reaction) => void (await receive.reaction(instance.id, reaction, context())),
    change: async (change) => void (await receive.change(instance.id, change, context())),
    contact: async (news) => void (await receive.contact(instance.id, news, context())),
    addressLink: async (link) => void (await receive.addressLink(instance.id, link, context())),
    file: (file) => {
      const { correlation } = context(filed.get(keyOf(file)))
      filed.set(keyOf(file), correlation)
      return receive.file(instance.id, file, context(correlation))
    },
    connection: async (report) =>
      void (await receive.connection(instance.id, report, context(), instance.term)),
  }
}
