import type { BinaryNode } from '@whiskeysockets/baileys'
import { child, children, errorNode, firstChild, now, stanza } from './stanza.ts'
import type { IqHandler, Person, WhatsApp } from './types.ts'

/** Whom addresses and phone numbers belong to, and what devices they have. */
export const usyncHandler =
  ({ find }: WhatsApp): IqHandler =>
  (iq) => {
    const usync = firstChild(iq)
    const query = child(usync, 'query')?.content
    if (!usync || !Array.isArray(query)) return [errorNode(400, 'bad-request')]
    const asked = new Set(query.map(({ tag }) => tag))
    const users = children(child(usync, 'list'), 'user').map((user) => {
      const jid = user.attrs.jid ?? `${textIn(child(user, 'contact')).replace('+', '')}@s.whatsapp.net`
      return stanza('user', { jid }, told(asked, find(jid), jid))
    })
    return [stanza('usync', usync.attrs, [stanza('result'), stanza('list', {}, users)])]
  }

const told = (asked: ReadonlySet<string>, person: Person | undefined, jid: string): BinaryNode[] => {
  const nodes: BinaryNode[] = []
  if (asked.has('contact')) nodes.push(stanza('contact', { type: person ? 'in' : 'out' }))
  if (!person) return nodes
  if (asked.has('devices')) nodes.push(stanza('devices', {}, [deviceList(person)]))
  if (asked.has('lid') && !jid.endsWith('@lid')) nodes.push(stanza('lid', { val: person.lid }))
  if (asked.has('status')) nodes.push(stanza('status', { t: now() }, Buffer.from('Available')))
  return nodes
}

const deviceList = (person: Person): BinaryNode =>
  stanza('device-list', { hash: `2:${person.devices.size}` }, [
    stanza('device', { id: '0' }),
    ...[...person.devices.keys()].map((id) => stanza('device', { id: String(id), 'key-index': String(id) })),
  ])

const textIn = (node: BinaryNode | undefined): string => {
  if (typeof node?.content === 'string') return node.content
  return node?.content instanceof Uint8Array ? Buffer.from(node.content).toString() : ''
}
