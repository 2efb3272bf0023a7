/** What was said before a client was linked: the phone tells it of the newest, and of older messages when it is asked. */
import { randomBytes } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { proto } from '@whiskeysockets/baileys'
import { newMessageId, now } from './stanza.ts'
import type { Device, Person, WhatsApp } from './types.ts'

export type PastMessage = {
  readonly id: string
  readonly from: Person
  readonly content: string | proto.IMessage
  /** Seconds since 1970. */
  readonly at: number
}
export type PastChat = {
  /** A person, or the address of a group. */
  readonly with: Person | string
  /** As the address book of the phone has the person, or the subject of the group. */
  readonly name?: string
  /** Oldest first. */
  readonly messages: readonly PastMessage[]
}

/** The newest of each chat, so many, are told at once; older ones on demand. */
type Past = { readonly chats: readonly PastChat[]; readonly toldOfEach: number }
const NOTHING: Past = { chats: [], toldOfEach: 0 }
const TOLD_OF_EACH = 100

const { Type } = proto.Message.ProtocolMessage

export const addHistory = (whatsApp: WhatsApp, phonesOff: ReadonlySet<Person>) => {
  const past = new Map<Person, Past>()

  const addressOf = (chat: Person | string) =>
    typeof chat === 'string' ? chat : chat.address(whatsApp.addressing)

  const messageOf = (account: Person, chat: PastChat, { id, from, content, at }: PastMessage) => ({
    key: {
      remoteJid: addressOf(chat.with),
      id,
      fromMe: from === account,
      ...(typeof chat.with === 'string' &&
        from !== account && { participant: from.address(whatsApp.addressing) }),
    },
    message: typeof content === 'string' ? { conversation: content } : content,
    messageTimestamp: at,
    ...(from !== account && { pushName: from.name }),
  })
  const conversationOf = (account: Person, chat: PastChat, messages: readonly PastMessage[]) => ({
    id: addressOf(chat.with),
    ...(typeof chat.with !== 'string' &&
      (whatsApp.addressing === 'lid' ? { pnJid: chat.with.jid } : { lidJid: chat.with.lid })),
    ...(chat.name !== undefined && { name: chat.name }),
    conversationTimestamp: chat.messages.at(-1)?.at ?? 0,
    // The newest comes first.
    messages: messages.toReversed().map((message) => ({ message: messageOf(account, chat, message) })),
  })

  const tell = async (device: Device, protocolMessage: proto.Message.IProtocolMessage) => {
    const { person } = device
    whatsApp.deliver(person, device.id, {
      tag: 'message',
      attrs: {
        from: person.jid,
        id: newMessageId(),
        t: now(),
        type: 'text',
        category: 'peer',
      },
      content: [await person.phone.encrypt(device, proto.Message.encode({ protocolMessage }).finish())],
    })
  }
  const tellHistory = (
    device: Device,
    kind: 'INITIAL_BOOTSTRAP' | 'PUSH_NAME' | 'ON_DEMAND',
    history: Omit<proto.IHistorySync, 'syncType'>,
    notification: proto.Message.IHistorySyncNotification = {},
  ) => {
    const syncType = proto.HistorySync.HistorySyncType[kind]
    const encoded = proto.HistorySync.encode({ ...history, syncType }).finish()
    return tell(device, {
      type: Type.HISTORY_SYNC_NOTIFICATION,
      historySyncNotification: {
        syncType: proto.Message.HistorySyncType[kind],
        initialHistBootstrapInlinePayload: deflateSync(encoded),
        ...notification,
      },
    })
  }

  whatsApp.onLinked.add(async (device) => {
    answerRequests(device.person)
    await tell(device, { type: Type.APP_STATE_SYNC_KEY_SHARE, appStateSyncKeyShare: { keys: [newKey()] } })
    const { chats, toldOfEach } = past.get(device.person) ?? NOTHING
    const people = [...new Set(chats.flatMap(peopleIn))].filter((one) => one !== device.person)
    await tellHistory(
      device,
      'INITIAL_BOOTSTRAP',
      {
        conversations: chats.map((chat) =>
          conversationOf(device.person, chat, chat.messages.slice(-toldOfEach)),
        ),
        phoneNumberToLidMappings: people.map(({ jid, lid }) => ({ pnJid: jid, lidJid: lid })),
      },
      { chunkOrder: 1, progress: 100 },
    )
    if (people.length > 0)
      await tellHistory(device, 'PUSH_NAME', {
        pushnames: people.map((one) => ({ id: addressOf(one), pushname: one.name })),
      })
  })

  /** What comes before a message in its chat, as a client asked for it under `requestId`. */
  const tellOlder = (
    device: Device,
    requestId: string,
    {
      chatJid,
      oldestMsgId,
      onDemandMsgCount,
    }: proto.Message.PeerDataOperationRequestMessage.IHistorySyncOnDemandRequest,
  ) => {
    const { person } = device
    const whom = whatsApp.find(chatJid ?? '') ?? chatJid
    const chat = past.get(person)?.chats.find((one) => one.with === whom)
    const oldest = chat?.messages.findIndex(({ id }) => id === oldestMsgId) ?? 0
    const messages =
      chat?.messages.slice(Math.max(0, oldest - (onDemandMsgCount ?? 0)), Math.max(0, oldest)) ?? []
    return tellHistory(
      device,
      'ON_DEMAND',
      {
        conversations: chat && messages.length > 0 ? [conversationOf(person, chat, messages)] : [],
      },
      { peerDataRequestSessionId: requestId },
    )
  }

  const answering = new Set<Person>()
  /** The phone of an account answers its linked clients, unless it is off. */
  const answerRequests = (person: Person) => {
    if (answering.has(person)) return
    answering.add(person)
    person.onReceived.add(({ id, message }) => {
      const asked = message.protocolMessage?.peerDataOperationRequestMessage?.historySyncOnDemandRequest
      if (!asked || phonesOff.has(person)) return
      for (const device of person.devices.values())
        tellOlder(device, id, asked).catch((error: unknown) => whatsApp.errors.push(error as Error))
    })
  }

  return {
    /** What the phone of an account has, of which clients linked from now on are told. */
    keep: (account: Person, chats: readonly PastChat[], toldOfEach = TOLD_OF_EACH) => {
      past.set(account, { chats, toldOfEach })
    },
  }
}

const peopleIn = ({ with: partner, messages }: PastChat): Person[] => [
  ...(typeof partner === 'string' ? [] : [partner]),
  ...messages.map(({ from }) => from),
]

const newKey = () => ({
  keyId: { keyId: Buffer.from('000000000001', 'hex') },
  keyData: {
    keyData: randomBytes(32),
    fingerprint: { rawId: 1, currentIndex: 0, deviceIndexes: [0, 1] },
    timestamp: Date.now(),
  },
})
