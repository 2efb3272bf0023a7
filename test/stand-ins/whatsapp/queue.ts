import type { BinaryNode } from '@whiskeysockets/baileys'
import type { Device } from './types.ts'

/** Sends to a device, and keeps it until the device acknowledges it. */
export const deliver = (device: Device, node: BinaryNode): void => {
  if (node.attrs.id !== undefined) device.queue.push(node)
  device.connection?.send(node)
}

/** A receipt or an ack of the client: it has this message, whatever it made of it. */
export const acknowledge = ({ queue }: Device, node: BinaryNode): void => {
  const { id, to, type, participant } = node.attrs
  const tag = node.tag === 'receipt' ? 'message' : node.attrs.class
  const named = queue.filter((kept) => kept.tag === tag && kept.attrs.id === id)
  const known = named.find(
    ({ attrs }) =>
      attrs.from === to &&
      attrs.participant === participant &&
      (node.tag === 'receipt' || attrs.type === type),
  )
  if (known) queue.splice(queue.indexOf(known), 1)
}
