import type { BinaryNode } from '@whiskeysockets/baileys'
import { preKeyHandler } from './key-bundles.ts'
import type { Pairing } from './pairing.ts'
import { child, children, errorNode, firstChild, now, required, SERVER, stanza } from './stanza.ts'
import type { Connection, Device, IqAnswer, IqHandler, WhatsApp } from './types.ts'
import { usyncHandler } from './usync.ts'

/** The queries that every client makes; those of groups, pictures and media are added to them. */
export const basicHandlers = (
  whatsApp: WhatsApp,
  pairing: Pairing,
  stocked: (device: Device) => void,
): Map<string, IqHandler> =>
  new Map<string, IqHandler>([
    ['encrypt', preKeyHandler(whatsApp, stocked)],
    ['usync', usyncHandler(whatsApp)],
    ['md', deviceHandler(pairing)],
    ['abt', () => [stanza('props', { protocol: '2', hash: 'none', ab_key: 'none', refresh: '86400' }, [])]],
    ['privacy', privacyHandler],
    ['blocklist', () => [stanza('list', { dhash: 'none' }, [])]],
    ['w:sync:app:state', appStateHandler],
    ['w:profile:picture', () => [errorNode(404, 'item-not-found')]],
    ['passive', () => []],
    ['w:p', () => []],
    ['w:stats', () => []],
    ['urn:xmpp:whatsapp:dirty', () => []],
  ])

/** Answers an iq of a client, unless a fault or a handler keeps silent. */
export const answerIq = async (whatsApp: WhatsApp, iq: BinaryNode, connection: Connection): Promise<void> => {
  const { faults, handlers } = whatsApp
  if (iq.attrs.type === 'result' || iq.attrs.type === 'error') return
  const xmlns = iq.attrs.xmlns ?? ''
  const handler = handlers.get(xmlns) ?? (() => unknown(whatsApp, xmlns))
  const answer = faults.iq?.(iq) ?? (await handler(iq, connection))
  if (answer === 'silence') return
  const type = answer.some(({ tag }) => tag === 'error') ? 'error' : 'result'
  const attrs = { from: iq.attrs.to ?? SERVER, id: required(iq, 'id'), t: now(), type }
  connection.send(stanza('iq', attrs, answer))
}

const unknown = ({ errors }: WhatsApp, xmlns: string): IqAnswer => {
  errors.push(new Error(`A client asked for ${xmlns}, which nobody here knows.`))
  return [errorNode(501, 'feature-not-implemented')]
}

const deviceHandler =
  (pairing: Pairing): IqHandler =>
  (iq, connection) => {
    const asked = firstChild(iq)
    if (asked?.tag === 'link_code_companion_reg') return pairing.codeStep(asked, connection)
    if (asked?.tag === 'remove-companion-device') {
      const { device } = connection
      // The answer goes out first.
      setImmediate(() => device?.person.unlink(device.id))
    }
    return []
  }

const privacyHandler: IqHandler = (iq) => {
  if (iq.attrs.type === 'set') return [stanza('tokens')]
  const names = ['readreceipts', 'last', 'profile', 'status', 'online', 'groupadd', 'calladd', 'messages']
  return [
    stanza(
      'privacy',
      {},
      names.map((name) => stanza('category', { name, value: 'all' })),
    ),
  ]
}

/** Takes patches and forgets them: nothing is known of contacts, archived chats and the like. */
const appStateHandler: IqHandler = (iq) => {
  const collections = children(child(iq, 'sync'), 'collection').map((collection) => {
    const { name, version = '0' } = collection.attrs
    const next = child(collection, 'patch') ? String(Number(version) + 1) : version
    return stanza('collection', { name, version: next, type: 'result' }, [])
  })
  return [stanza('sync', {}, collections)]
}
