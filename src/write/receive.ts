import { heardName } from '../domain/contact.ts'
import { isMedia, type Content, type MediaMessage } from '../domain/content.ts'
import { incomingMediaId, messageId } from '../domain/ids.ts'
import { Instance, report } from '../domain/instance.ts'
import { fileUrl } from '../domain/media.ts'
import { acknowledge, edit, Message, react, receive, takeBack } from '../domain/message.ts'
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
  Receipt,
} from '../ports/gateway.ts'
import type { Numbers } from '../ports/numbers.ts'
import type { Contacts } from './contacts.ts'
import type { StartConversation } from './conversations.ts'
import type { KeptMedia, MediaKeeper } from './media.ts'
import type { Transact } from './transact.ts'
import type { ConnectionReport } from '../domain/instance.ts'

type Parts = {
  readonly transact: Transact
  readonly numbers: Numbers
  readonly startConversation: StartConversation
  readonly contacts: Pick<Contacts, 'hear'>
  readonly media: Pick<MediaKeeper, 'spool' | 'keep' | 'find'>
  /** Where this server is reached, for the addresses of files. */
  readonly baseUrl: string
}

/** What comes from WhatsApp, in our own words, becomes facts. Told again, it changes nothing. */
export const createReceive = (parts: Parts) => {
  const { transact, numbers, startConversation, contacts, media, baseUrl } = parts

  /** Its file may have gone, with the conversation that it was to be in, since it was kept. */
  const presentContent = async (content: Content): Promise<Content> =>
    isMedia(content) && content.mediaId !== undefined && (await media.find(content.mediaId)) === 'deleted'
      ? withoutFile(content)
      : content

  const message = async (instanceId: string, incoming: Incoming, context: Context) => {
    const id = messageId(instanceId, incoming.whatsappId)
    const start = (surely: boolean) =>
      startConversation(instanceId, incoming.chat, context, { incoming: !incoming.fromMe, surely })
    const [conversation, number, content] = await Promise.all([
      start(false),
      numbers('message'),
      presentContent(incoming.content),
    ])
    const { fromMe, ...words } = incoming
    const data = {
      ...words,
      content,
      number,
      instanceId,
      conversationId: conversation.id,
      conversationNumber: conversation.number,
    }
    const written = await transact(Message, id, receive(data, fromMe), context, { expectNew: true })
    // Deleted in between, it would be there for those who read and not for those who write.
    await start(true)
    return { id, ...written }
  }

  /** `state.body` is missing if the message is not known. */
  const receipt = (instanceId: string, { whatsappId, status, at }: Receipt, context: Context) =>
    transact(Message, messageId(instanceId, whatsappId), acknowledge(status, at), context)

  const reaction = async (instanceId: string, incoming: IncomingReaction, context: Context) => {
    const { targetWhatsappId, chat, sender, senderName, fromMe, emoji, at } = incoming
    const conversation = await startConversation(instanceId, chat, context)
    const decide = react({
      instanceId,
      conversationId: conversation.id,
      conversationNumber: conversation.number,
      targetWhatsappId,
      by: sender,
      ...(senderName !== undefined && { byName: senderName }),
      fromMe,
      emoji,
      at,
    })
    return transact(Message, messageId(instanceId, targetWhatsappId), decide, context)
  }

  /** Nothing, if the message is not known. */
  const change = (instanceId: string, incoming: IncomingChange, context: Context) => {
    const { targetWhatsappId, fromMe, text, at } = incoming
    const decide = text === undefined ? takeBack(fromMe, at) : edit(text, fromMe, at)
    return transact(Message, messageId(instanceId, targetWhatsappId), decide, context)
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

  const addressLink = async (_instanceId: string, _link: AddressLink, _context: Context) => {}

  /** Keeps the file of a message before the message itself is told. One that was kept before is not read again. */
  const file = async (
    instanceId: string,
    { whatsappId, chat, fromMe, content, body }: IncomingFile,
    context: Context,
  ): Promise<MediaMessage> => {
    const id = messageId(instanceId, whatsappId)
    const mediaId = incomingMediaId(id)
    const known = await media.find(mediaId)
    if (known) {
      body.destroy()
      return known === 'deleted' ? withoutFile(content) : withFile(content, known, baseUrl)
    }
    const { kind, filename, mimeType } = content
    const type = kind === 'sticker' ? 'image' : kind
    const wanted = { type, filename, foreign: { mimeType: mimeType ?? null } } as const
    const spooled = await media.spool(body, wanted, content.size)
    // Not before the file is here: a conversation that is deleted meanwhile does not take it away.
    const conversation = await startConversation(instanceId, chat, context, { incoming: !fromMe }).catch(
      async (error: unknown) => {
        await spooled.discard()
        throw error
      },
    )
    const place = { id: mediaId, instanceId, conversationId: conversation.id, messageId: id }
    return withFile(content, await media.keep(spooled, wanted, place, context), baseUrl)
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
