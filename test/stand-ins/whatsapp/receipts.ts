import type { BinaryNode } from '@whiskeysockets/baileys'
import { ownKeysIn } from './key-bundles.ts'
import { acknowledge } from './queue.ts'
import { child, children, required } from './stanza.ts'
import type { Device, WhatsApp } from './types.ts'

/** A receipt of a client: the message is off its queue, and its sender hears of it. */
export const takeReceipt = async (
  { find, faults }: WhatsApp,
  node: BinaryNode,
  from: Device,
): Promise<void> => {
  if (!faults.receiptsLost) acknowledge(from, node)
  const { to = '', participant, type = 'delivery' } = node.attrs
  const id = required(node, 'id')
  const listed = children(child(node, 'list'), 'item').map((item) => required(item, 'id'))
  const author =
    (participant === undefined ? undefined : find(participant)) ?? (to === '' ? undefined : find(to))
  author?.heard({ ids: [id, ...listed], type, from: from.person, to })
  const again = child(node, 'retry')
  if (type !== 'retry' || !again) return
  const keys = child(node, 'keys')
  const bundle = keys && ownKeysIn(from, keys, child(node, 'registration'))
  await author?.sendAgain(from, id, again.attrs.count ?? '1', bundle)
}
