import type { BinaryNode } from '@whiskeysockets/baileys'
import type { Client } from './connection.ts'
import { now, SERVER, stanza } from './stanza.ts'
import type { WhatsApp } from './types.ts'

/** Lets a linked device in and sends it what waited for it, or says why not. */
export const login = (whatsApp: WhatsApp, client: Client): void => {
  const { faults } = whatsApp
  const device = whatsApp
    .find(`${String(client.payload.username)}${SERVER}`)
    ?.devices.get(client.payload.device ?? 0)
  if (faults.login !== undefined) return refuse(client, faults.login)
  if (!device?.noiseKey.equals(client.noiseKey)) return refuse(client, 401)
  device.connection?.close(streamError('replaced'))
  device.connection = client
  device.logins++
  client.device = device
  const lid = device.person.address('lid', device.id)
  client.send(stanza('success', { t: now(), lid, location: 'cln' }))
  sendBacklog(client, [...device.queue], faults.backlogMarkerWithheld)
}

const refuse = (client: Client, reason: number) =>
  client.close(stanza('failure', { reason: String(reason), location: 'cln' }))

/** First how much there is, then all of it, then that it was all. */
const sendBacklog = (client: Client, queue: readonly BinaryNode[], markerWithheld: boolean) => {
  const count = (tag: string) => String(queue.filter((node) => node.tag === tag).length)
  const total = String(queue.length)
  client.send(
    stanza('ib', {}, [
      stanza('offline_preview', {
        count: total,
        message: count('message'),
        notification: count('notification'),
        receipt: count('receipt'),
        appdata: '0',
      }),
    ]),
  )
  for (const node of queue) client.send({ ...node, attrs: { ...node.attrs, offline: '1' } })
  if (!markerWithheld) client.send(stanza('ib', {}, [stanza('offline', { count: total })]))
}

/** What the server says before it ends a connection. */
export const streamError = (code: number | 'replaced' | 'removed'): BinaryNode => {
  if (code === 'replaced') return stanza('stream:error', {}, [stanza('conflict', { type: 'replaced' })])
  if (code === 'removed')
    return stanza('stream:error', { code: '401' }, [stanza('conflict', { type: 'device_removed' })])
  return stanza('stream:error', { code: String(code) })
}
