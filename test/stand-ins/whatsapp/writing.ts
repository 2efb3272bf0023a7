import { proto, type BinaryNode } from '@whiskeysockets/baileys'
import { attrsOf, editOf, quoting, reactionTo, revocationOf, textOf } from './content.ts'
import { copyAttrs, memberAttrs, senderAttrs } from './messages.ts'
import { deliver } from './queue.ts'
import { bytesOf, newMessageId, now, stanza } from './stanza.ts'
import type { Addressing, Device, Group, Person, WhatsApp, WriteOptions } from './types.ts'

/** One message for one device, so that it can be sent there again. */
type Copy = {
  readonly attrs: Record<string, string | undefined>
  readonly bytes: Uint8Array
  readonly group?: string
}

type Desk = { readonly whatsApp: WhatsApp; readonly author: Person }

/** What is typed on a phone, and on its way to the clients that are linked to those who get it. */
export const createWriting = (desk: Desk) => {
  const { whatsApp } = desk
  const sent = new Map<string, Map<Device, Copy>>()
  /** Who has the key of a group already. */
  const keyed = new Map<string, Set<Device>>()

  const encrypt = async (
    device: Device,
    { attrs, bytes }: Copy,
    options: WriteOptions,
    more: BinaryNode[] = [],
  ) => {
    const enc = await desk.author.phone.encrypt(device, bytes)
    const node = stanza('message', attrs, [options.fault === 'corrupt' ? corrupted(enc) : enc, ...more])
    deliver(device, node)
    if (options.fault === 'duplicate') deliver(device, node)
  }

  const remember = (id: string, device: Device, copy: Copy) => {
    const copies = sent.get(id) ?? new Map<Device, Copy>()
    sent.set(id, copies.set(device, copy))
  }

  const writeToPerson = async (to: Person, bytes: Uint8Array, head: Head, options: WriteOptions) => {
    const addressing = options.addressing ?? whatsApp.addressing
    for (const device of to.devices.values()) {
      const copy = { attrs: { ...head, ...senderAttrs(addressing, desk.author) }, bytes }
      remember(head.id, device, copy)
      if (to !== desk.author) await encrypt(device, copy, options)
    }
    const message = readable(bytes)
    if (!message) return
    const recipient = to.address(addressing)
    for (const device of desk.author.devices.values()) {
      const attrs = { ...head, ...copyAttrs(whatsApp, desk.author, recipient) }
      const copy = { attrs, bytes: encode({ deviceSentMessage: { destinationJid: recipient, message } }) }
      remember(head.id, device, copy)
      await encrypt(device, copy, options)
    }
    arrive([to], desk.author.address(addressing), message, head, stanza('message', head))
  }

  const writeToGroup = async (group: Group, bytes: Uint8Array, head: Head, options: WriteOptions) => {
    const { enc, key } = await desk.author.phone.encryptForGroup(group.id, bytes)
    const has = keyed.get(group.id) ?? new Set<Device>()
    keyed.set(group.id, has)
    const attrs = { ...head, ...memberAttrs(group.id, group.addressing, desk.author) }
    for (const member of group.members)
      for (const device of member.devices.values()) {
        remember(head.id, device, { attrs, bytes, group: group.id })
        if (has.has(device)) {
          deliver(device, stanza('message', attrs, [options.fault === 'corrupt' ? corrupted(enc) : enc]))
          continue
        }
        has.add(device)
        await encrypt(device, { attrs, bytes: encode(keyOf(group.id, key)) }, options, [enc])
      }
    const message = readable(bytes)
    if (message) arrive(group.members, group.id, message, head, stanza('message', attrs))
  }

  const arrive = (
    to: readonly Person[],
    chat: string,
    message: proto.IMessage,
    { id }: Head,
    node: BinaryNode,
  ) => {
    for (const person of to)
      if (person !== desk.author)
        person.put({ id, chat, sender: desk.author, message, text: textOf(message), stanza: node })
  }

  const writeBytesTo: Person['writeBytesTo'] = async (to, bytes, options = {}) => {
    const id = options.id ?? newMessageId()
    const t = options.at === undefined ? now() : String(options.at)
    const head = { id, t, notify: desk.author.name, ...attrsOf(readable(bytes) ?? {}), ...options.attrs }
    const target = typeof to === 'string' ? (whatsApp.groups.get(to) ?? whatsApp.find(to)) : to
    if (!target) throw new Error('Nobody has this address.')
    if ('members' in target) await writeToGroup(target, bytes, head, options)
    else await writeToPerson(target, bytes, head, options)
    return id
  }

  const writeTo: Person['writeTo'] = (to, content, options = {}) => {
    const { replyTo } = options
    if (typeof content !== 'string') return writeBytesTo(to, encode(content), options)
    if (replyTo === undefined) return writeBytesTo(to, encode({ conversation: content }), options)
    const known = desk.author.inbox.find(({ id }) => id === replyTo)
    const { participant } = keyTo(to, replyTo, options.addressing)
    const quotedBy =
      participant ?? (known?.sender ?? desk.author).address(addressingIn(to, options.addressing))
    return writeBytesTo(
      to,
      encode(quoting(content, replyTo, quotedBy, known?.message ?? { conversation: '' })),
      options,
    )
  }

  const addressingIn = (chat: Person | string, wanted: Addressing | undefined): Addressing =>
    (typeof chat === 'string' ? whatsApp.groups.get(chat)?.addressing : undefined) ??
    wanted ??
    whatsApp.addressing

  /** How this phone names a message: its own, unless it came from somebody. */
  const keyTo = (chat: Person | string, id: string, wanted?: Addressing): proto.IMessageKey => {
    const addressing = addressingIn(chat, wanted)
    const received = desk.author.inbox.find((known) => known.id === id && known.sender !== desk.author)
    const remoteJid = typeof chat === 'string' ? chat : chat.address(addressing)
    const participant = remoteJid.endsWith('@g.us')
      ? (received?.sender ?? desk.author).address(addressing)
      : undefined
    return { remoteJid, id, fromMe: !received, ...(participant !== undefined && { participant }) }
  }

  return {
    writeTo,
    writeBytesTo,
    react: (chat, id, text, options) =>
      writeTo(chat, reactionTo(keyTo(chat, id, options?.addressing), text), options),
    edit: (chat, id, text, options) =>
      writeTo(chat, editOf(keyTo(chat, id, options?.addressing), text), options),
    revoke: (chat, id, options) => writeTo(chat, revocationOf(keyTo(chat, id, options?.addressing)), options),
    sendAgain: async (device, id, count, keys) => {
      const copy = sent.get(id)?.get(device)
      if (!copy) return
      await desk.author.phone.forgetSession(device)
      const enc = await desk.author.phone.encrypt(device, await withKey(copy), keys)
      deliver(device, stanza('message', copy.attrs, [{ ...enc, attrs: { ...enc.attrs, count } }]))
    },
  } satisfies Partial<Person>

  /** Who lost a message of a group may lack the key as well. */
  async function withKey({ bytes, group }: Copy): Promise<Uint8Array> {
    if (group === undefined) return bytes
    const { key } = await desk.author.phone.encryptForGroup(group, encode({}))
    return encode({ ...proto.Message.decode(bytes), ...keyOf(group, key) })
  }
}

type Head = { readonly id: string; readonly t: string; readonly notify: string; readonly type: string }

const encode = (message: proto.IMessage): Uint8Array => proto.Message.encode(message).finish()

/** Nothing for bytes that are no message. */
const readable = (bytes: Uint8Array): proto.IMessage | undefined => {
  try {
    return proto.Message.decode(bytes)
  } catch {
    return undefined
  }
}

const keyOf = (groupId: string, key: Uint8Array): proto.IMessage => ({
  senderKeyDistributionMessage: { groupId, axolotlSenderKeyDistributionMessage: key },
})

const corrupted = (enc: BinaryNode): BinaryNode => {
  const bytes = bytesOf(enc)
  const at = bytes.length - 12
  bytes[at] = (bytes[at] ?? 0) ^ 0xff
  return { ...enc, content: bytes }
}
