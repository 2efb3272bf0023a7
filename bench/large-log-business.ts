import type { ZapiniEvent } from '../src/domain/catalogue.ts'
import { contactId, conversationId, messageId, messageMediaId } from '../src/domain/ids.ts'
import { firstNames, lastNames, tagNames, texts } from './large-world-words.ts'

/** Events for each conversation, more or less. */
const EVENTS_PER_CONVERSATION = 50
/** What follows an event comes after so many others, at the latest. */
const SOON = 10
const LATER = 2000

export type Told = { readonly stream: string; readonly event: ZapiniEvent }

type Options = {
  readonly tenant: string
  readonly events: number
  readonly random: () => number
  readonly numbers: Readonly<Record<'conversation' | 'message' | 'other', () => number>>
}

type Chat = {
  readonly instanceId: string
  readonly chat: string
  readonly isGroup: boolean
  readonly conversationId: string
  readonly name: string
  number: number
  contactNumber: number
  isOpen: boolean
  isMerged: boolean
}
type Message = {
  readonly of: Chat
  readonly whatsappId: string
  readonly number: number
  readonly fromMe: boolean
}
type Make = (at: string) => ZapiniEvent

/**
 * What happens to a business, event by event: people write and are answered, messages are delivered, read, reacted to,
 * edited and taken back; people become contacts, conversations are read, tagged, archived, deleted, merged.
 */
export const businessOf = ({ tenant, events, random, numbers }: Options) => {
  const below = (count: number) => Math.floor(random() * count)
  const oneOf = <T>(list: readonly T[], fallback: T): T => list[below(list.length)] ?? fallback
  const derived = (kind: string, n: number) => messageMediaId(`${tenant} ${kind}`, String(n))
  const instances = [1, 2, 3].map((n) => derived('instance', n))
  const tags = tagNames.map((_, n) => derived('tag', n))
  const chats: Chat[] = []
  const chatsMax = Math.max(20, Math.floor(events / EVENTS_PER_CONVERSATION))

  const { add, after, take } = createAgenda(below)

  const newChat = (): Chat => {
    const index = chats.length
    const isGroup = index % 10 === 9
    const instanceId = oneOf(instances, '')
    const digits = `${isGroup ? '1203630' : '55119'}${String((index * 48_271) % 99_999_989).padStart(8, '0')}`
    const chat = `${digits}${isGroup ? '@g.us' : '@s.whatsapp.net'}`
    const made: Chat = {
      ...{ instanceId, chat, isGroup, number: 0, contactNumber: 0, isOpen: false, isMerged: false },
      conversationId: conversationId(instanceId, chat),
      name: `${oneOf(firstNames, 'Ana')} ${oneOf(lastNames, 'Lima')}`,
    }
    chats.push(made)
    return made
  }
  /** A few chats have most of the messages. */
  const someChat = (): Chat => {
    const found =
      chats.length < chatsMax && random() < 0.1 ? undefined : chats[Math.floor(chats.length * random() ** 3)]
    const chat = found && !found.isMerged ? found : newChat()
    if (chat.isOpen) return chat
    chat.isOpen = true
    chat.number ||= numbers.conversation()
    const { number, instanceId, isGroup } = chat
    add(streamOf(chat), (at) => ({
      type: 'ConversationStarted',
      data: { number, instanceId, chat: chat.chat, isGroup, at },
    }))
    if (!isGroup && chat.contactNumber === 0) {
      chat.contactNumber = numbers.other()
      const data = { number: chat.contactNumber, instanceId, jid: chat.chat, pushName: chat.name }
      add(personOf(chat), (at) => ({ type: 'ContactLearned', data: { ...data, at } }))
    }
    return chat
  }

  const write = () => {
    const of = someChat()
    const fromMe = random() < 0.45
    const number = numbers.message()
    const message: Message = { of, number, fromMe, whatsappId: `3EB0${String(number).padStart(18, '0')}` }
    const { instanceId, chat, conversationId, number: conversationNumber } = of
    const place = { instanceId, conversationId }
    const stream = messageStream(message)
    const mediaId = random() < 0.08 ? messageMediaId(stream, 'file') : undefined
    if (mediaId !== undefined)
      add(`media-${mediaId}`, (at) => ({ type: 'MediaStored', data: { ...fileOf(stream), ...place, at } }))
    const text = `${oneOf(texts, 'Hello')} ${number}`
    const content = mediaId
      ? ({ kind: 'image', mediaId, size: 70_000, mimeType: 'image/jpeg', caption: text } as const)
      : ({ kind: 'text', text } as const)
    const body = { ...place, number, conversationNumber, whatsappId: message.whatsappId, chat, content }
    if (fromMe) {
      add(stream, (at) => ({ type: 'MessageQueued', data: { ...body, at } }))
      send(message, stream, content.kind)
    } else
      add(stream, (at) => ({
        type: 'MessageReceived',
        data: {
          ...body,
          sender: of.isGroup ? '5511999999999@s.whatsapp.net' : chat,
          senderName: of.name,
          at,
        },
      }))
    follow(message, stream)
  }

  const send = ({ of: { instanceId, conversationId } }: Message, stream: string, kind: string) => {
    const place = { instanceId, conversationId }
    if (random() < 0.02) {
      const reason = 'no such number'
      return after(SOON, stream, (at) => ({ type: 'MessageFailed', data: { ...place, reason, at } }))
    }
    add(stream, (at) => ({ type: 'MessageSent', data: { ...place, kind, at } }))
    after(SOON, stream, (at) => ({ type: 'MessageDelivered', data: { ...place, at } }))
    if (random() < 0.8) after(LATER - 1, stream, (at) => ({ type: 'MessageRead', data: { ...place, at } }))
  }

  /** What people do with a message, and with its conversation. */
  const follow = ({ of, whatsappId, number, fromMe }: Message, stream: string) => {
    const { instanceId, conversationId } = of
    const place = { instanceId, conversationId }
    const reaction = {
      conversationNumber: of.number,
      targetWhatsappId: whatsappId,
      by: of.chat,
      fromMe: false,
    }
    if (random() < 0.04)
      after(200, stream, (at) => ({
        type: 'MessageReacted',
        data: { ...place, ...reaction, emoji: '👍', at },
      }))
    if (random() < 0.01)
      after(200, stream, (at) => ({
        type: 'MessageEdited',
        data: { ...place, number, text: `${oneOf(texts, 'Hello')} (edited)`, fromMe, at },
      }))
    if (random() < 0.01)
      after(LATER - 1, stream, (at) => ({ type: 'MessageDeleted', data: { ...place, number, fromMe, at } }))
    if (random() < 0.2)
      after(100, streamOf(of), (at) => ({ type: 'ConversationRead', data: { upTo: number, instanceId, at } }))
  }

  const tend = () => {
    const chat = someChat()
    const stream = streamOf(chat)
    const what = random()
    if (what < 0.5) {
      const added = [oneOf(tags, '')]
      add(stream, (at) => ({ type: 'ConversationTagged', data: { added, removed: [oneOf(tags, '')], at } }))
    } else if (what < 0.7) add(stream, (at) => ({ type: 'ConversationArchived', data: { at } }))
    else if (what < 0.85) add(stream, (at) => ({ type: 'ConversationRestored', data: { at } }))
    else if (what < 0.97) {
      if (chat.contactNumber > 0)
        add(personOf(chat), (at) => ({ type: 'ContactChanged', data: { name: `${chat.name} (client)`, at } }))
    } else if (what < 0.99) {
      chat.isOpen = false
      add(stream, (at) => ({ type: 'ConversationDeleted', data: { instanceId: chat.instanceId, at } }))
    } else merge(chat)
  }

  /** Somebody turns out to be somebody else of the same instance. */
  const merge = (chat: Chat) => {
    const isOther = (one: Chat) =>
      one !== chat && one.isOpen && one.instanceId === chat.instanceId && one.contactNumber > 0
    const other = chats.find(isOther)
    if (!other || chat.isGroup) return
    chat.isMerged = true
    chat.isOpen = false
    for (const [stream, make] of mergingOf(chat, other)) add(stream, make)
  }

  const opening = openingOf(tenant, instances, tags, numbers.other)
  for (const [stream, make] of opening) add(stream, make)
  /** The next event, at a time. */
  return (at: string): Told =>
    take(at, () => {
      if (random() < 0.96) write()
      else tend()
    })
}

/** What happens next, and what only after some other events. */
const createAgenda = (below: (count: number) => number) => {
  type Entry = { readonly stream: string; readonly make: Make }
  const ready: Entry[] = []
  /** By the number of the event that it comes with at the earliest, of the next `LATER`. */
  const due: Entry[][] = []
  let n = 0
  return {
    add: (stream: string, make: Make) => void ready.push({ stream, make }),
    after: (events: number, stream: string, make: Make) =>
      void (due[(n + 1 + below(events)) % LATER] ??= []).push({ stream, make }),
    /** The next event; `goOn` is asked for more. */
    take: (at: string, goOn: () => void): Told => {
      n += 1
      ready.push(...(due[n % LATER]?.splice(0) ?? []))
      for (;;) {
        const entry = ready.shift()
        if (entry) return { stream: entry.stream, event: entry.make(at) }
        goOn()
      }
    },
  }
}

const mergingOf = (chat: Chat, other: Chat): (readonly [string, Make])[] => {
  const { instanceId, conversationId: id, number } = chat
  const [into, intoNumber, jid] = [other.conversationId, other.number, other.chat]
  return [
    [
      streamOf(chat),
      (at) => ({ type: 'ConversationMerged', data: { instanceId, into, intoNumber, chat: jid, at } }),
    ],
    [
      streamOf(other),
      (at) => ({
        type: 'ConversationUnited',
        data: { with: id, aliases: [id, String(number)], tags: [], at },
      }),
    ],
    [
      personOf(chat),
      (at) => ({ type: 'ContactMerged', data: { instanceId, into: contactId(instanceId, jid), jid, at } }),
    ],
  ]
}

const openingOf = (
  tenant: string,
  instances: readonly string[],
  tags: readonly string[],
  number: () => number,
): (readonly [string, Make])[] => [
  [
    `tenant-${tenant}`,
    (at) => ({
      type: 'TenantCreated',
      data: { number: number(), name: 'Acme', timeZone: 'America/Sao_Paulo', at },
    }),
  ],
  ...instances.map((id, n): [string, Make] => [
    `instance-${id}`,
    (at) => ({
      type: 'InstanceCreated',
      data: { number: number(), name: `Shop ${n}`, provider: 'sandbox', hookSecret: 'secret', at },
    }),
  ]),
  ...tags.map((id, n): [string, Make] => [
    `tag-${id}`,
    (at) => ({ type: 'TagCreated', data: { name: tagNames[n] ?? '', color: '#ef4444', at } }),
  ]),
]

const streamOf = (chat: Chat) => `conversation-${chat.conversationId}`
const personOf = ({ instanceId, chat }: Chat) => `contact-${contactId(instanceId, chat)}`
const messageStream = ({ of, whatsappId }: Message) => `message-${messageId(of.instanceId, whatsappId)}`
const fileOf = (stream: string) => ({
  type: 'image' as const,
  mimeType: 'image/jpeg',
  size: 70_000,
  sha256: stream,
  key: `key-of-${stream}`,
})
