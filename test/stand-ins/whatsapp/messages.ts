import type { BinaryNode } from '@whiskeysockets/baileys'
import { isIdentityOf } from './linking.ts'
import { deliver } from './queue.ts'
import { addressOf, bytesOf, child, children, isGroup, now, required, stanza } from './stanza.ts'
import type { Addressing, Device, Person, WhatsApp } from './types.ts'

type Target = { readonly person: Person; readonly deviceId: number; readonly encrypted: BinaryNode[] }

/** A message of a client: acknowledged, then handed to every device it is meant for. */
export const takeMessage = async (whatsApp: WhatsApp, node: BinaryNode, from: Device): Promise<void> => {
  const fault = whatsApp.faults.ack?.(node) ?? refusalOf(whatsApp, node, from)
  const ack = { class: 'message', id: required(node, 'id'), from: required(node, 'to'), t: now() }
  if (fault !== 'lost') from.connection?.send(stanza('ack', { ...ack, ...fault }))
  if (typeof fault === 'object') return
  mustBeSealed(node, from)
  for (const target of targetsOf(whatsApp, node, from)) await hand(whatsApp, node, from, target)
}

/** Nothing goes out that is not encrypted, and who is written to for the first time is shown whose device it is. */
const mustBeSealed = (node: BinaryNode, from: Device): void => {
  const { id = '' } = node.attrs
  const addressed = children(child(node, 'participants'), 'to')
  const encrypted = [node, ...addressed].flatMap((each) => children(each, 'enc'))
  if (encrypted.length === 0) throw new Error(`Message ${id} came without anything encrypted.`)
  if (encrypted.every(({ attrs }) => attrs.type !== 'pkmsg')) return
  const identity = child(node, 'device-identity')
  if (!identity || !isIdentityOf(from, bytesOf(identity)))
    throw new Error(`Message ${id} began a session without the identity of its device.`)
}

/** Only members write to a group, and of some only admins. */
const refusalOf = ({ groups }: WhatsApp, node: BinaryNode, { person }: Device) => {
  const to = required(node, 'to')
  if (!isGroup(to)) return undefined
  const group = groups.get(to)
  const mayWrite = group?.mayWrite?.(person) ?? group?.members.includes(person) ?? false
  return mayWrite ? undefined : { error: group ? '403' : '404' }
}

/** Baileys encrypts a sender key to its own device as well; the server sends nobody what they sent. */
const targetsOf = (whatsApp: WhatsApp, node: BinaryNode, from: Device): Target[] => {
  const to = required(node, 'to')
  const targets = new Map<string, Target>()
  const add = (person: Person | undefined, deviceId: number, encrypted: readonly BinaryNode[]) => {
    if (!person || encrypted.length === 0) return
    const key = person.address('pn', deviceId)
    const target = targets.get(key) ?? { person, deviceId, encrypted: [] }
    target.encrypted.push(...encrypted)
    targets.set(key, target)
  }
  const addJid = (jid: string, encrypted: readonly BinaryNode[]) =>
    add(whatsApp.find(jid), addressOf(jid).deviceId, encrypted)

  for (const each of children(child(node, 'participants'), 'to'))
    addJid(required(each, 'jid'), children(each, 'enc'))
  const shared = children(node, 'enc')
  if (!isGroup(to)) addJid(to, shared)
  else if (node.attrs.participant) addJid(node.attrs.participant, shared)
  else
    for (const member of whatsApp.groups.get(to)?.members ?? [])
      for (const deviceId of [0, ...member.devices.keys()]) add(member, deviceId, shared)
  targets.delete(from.person.address('pn', from.id))
  return [...targets.values()]
}

const hand = async (whatsApp: WhatsApp, node: BinaryNode, from: Device, target: Target): Promise<void> => {
  const { person, deviceId, encrypted } = target
  if (deviceId === 0) return person.take(from, node, encrypted)
  const device = person.devices.get(deviceId)
  if (!device) return
  const { id, type = 'text', edit, to = '', recipient } = node.attrs
  const known = { id, t: now(), notify: from.person.name, type, edit }
  const group = whatsApp.groups.get(to)
  const where = () => {
    if (group) return memberAttrs(group.id, group.addressing, from.person, from.id)
    if (person === from.person) return copyAttrs(whatsApp, from.person, recipient ?? to, from.id)
    return senderAttrs(to.endsWith('@lid') ? 'lid' : 'pn', from.person, from.id)
  }
  deliver(device, stanza('message', { ...known, ...where() }, encrypted))
}

/** Who a direct message is from, by both of their addresses. */
export const senderAttrs = (addressing: Addressing, person: Person, deviceId = 0) => ({
  from: person.address(addressing, deviceId),
  ...(addressing === 'lid' ? { sender_pn: person.jid } : { sender_lid: person.lid }),
})

/** Who a message in a group is from, by both of their addresses. */
export const memberAttrs = (groupId: string, addressing: Addressing, person: Person, deviceId = 0) => ({
  from: groupId,
  participant: person.address(addressing, deviceId),
  addressing_mode: addressing,
  ...(addressing === 'lid' ? { participant_pn: person.jid } : { participant_lid: person.lid }),
})

/** A copy of a message for another device of its author: whom it was for, by both of their addresses. */
export const copyAttrs = ({ find }: WhatsApp, author: Person, recipient: string, deviceId = 0) => {
  const addressing = recipient.endsWith('@lid') ? 'lid' : 'pn'
  const other = find(recipient)
  return {
    from: author.address(addressing, deviceId),
    recipient,
    ...(addressing === 'lid' ? { peer_recipient_pn: other?.jid } : { peer_recipient_lid: other?.lid }),
  }
}
