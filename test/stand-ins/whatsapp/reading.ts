import type { BinaryNode, proto } from '@whiskeysockets/baileys'
import { hasContent, textOf } from './content.ts'
import { keyNodes } from './key-bundles.ts'
import { deliver } from './queue.ts'
import { bigEndian, isGroup, now, required, stanza } from './stanza.ts'
import type { Device, Person, WhatsApp } from './types.ts'

const RETRIES = 5

type Desk = { readonly whatsApp: WhatsApp; readonly reader: Person }

/** What a phone does with a message that a client sent it. */
export const createReading = (desk: Desk) => {
  const { whatsApp } = desk
  const asked = new Map<string, number>()

  /** "I could not read that, here are fresh keys." */
  const askAgain = async (from: Device, id: string, group: string | undefined) => {
    const count = (asked.get(id) ?? 0) + 1
    asked.set(id, count)
    if (count > RETRIES) return
    await desk.reader.phone.forgetSession(from)
    const bundle = await desk.reader.phone.bundle()
    const address = desk.reader.address(whatsApp.groups.get(group ?? '')?.addressing ?? whatsApp.addressing)
    const attrs = { from: group ?? address, participant: group && address, id, t: now(), type: 'retry' }
    deliver(
      from,
      stanza('receipt', attrs, [
        stanza('retry', { count: String(count), id, t: now(), v: '1' }),
        stanza('registration', {}, bigEndian(bundle.registrationId, 4)),
        stanza('keys', {}, [
          stanza('type', {}, Buffer.from([5])),
          stanza('identity', {}, bundle.identityKey),
          ...keyNodes(bundle),
        ]),
      ]),
    )
  }

  const decrypt = async (from: Device, group: string | undefined, encrypted: readonly BinaryNode[]) => {
    let content: proto.IMessage | undefined
    for (const enc of encrypted) {
      const message = await desk.reader.phone.decrypt(from, group, enc)
      if (hasContent(message)) content = message
    }
    return content
  }

  const take: Person['take'] = async (from, node, encrypted) => {
    const id = required(node, 'id')
    const to = required(node, 'to')
    const group = isGroup(to) ? to : undefined
    if (desk.reader.unreadableNext > 0 && from.person !== desk.reader) {
      desk.reader.unreadableNext--
      return askAgain(from, id, group)
    }
    let message: proto.IMessage | undefined
    try {
      message = await decrypt(from, group, encrypted)
    } catch (error) {
      whatsApp.errors.push(new Error(`${desk.reader.name} cannot read message ${id}.`, { cause: error }))
      return askAgain(from, id, group)
    }
    if (!message) return
    const copy = message.deviceSentMessage
    const content = copy?.message ?? message
    const chat = copy?.destinationJid ?? to
    // Sent twice with one id, it is shown once.
    if (!desk.reader.inbox.some((known) => known.id === id && known.sender === from.person))
      desk.reader.put({
        id,
        chat,
        sender: from.person,
        message: content,
        text: textOf(content),
        stanza: node,
      })
    if (from.person === desk.reader) return
    for (const answer of desk.reader.answers) desk.reader.receipt(group ?? from.person, id, answer)
  }
  return { take }
}
