import { bundleOf } from './key-bundles.ts'
import { link } from './linking.ts'
import { streamError } from './login.ts'
import { copyAttrs } from './messages.ts'
import type { Pairing } from './pairing.ts'
import { createPhone } from './phone.ts'
import { deliver } from './queue.ts'
import { createReading } from './reading.ts'
import { createSightings } from './sightings.ts'
import { addressOf, now, stanza } from './stanza.ts'
import type { Connection, Device, Person, ReceiptSeen, Received, WhatsApp } from './types.ts'
import { createWriting } from './writing.ts'

type Identity = { readonly name: string; readonly phoneNumber: string; readonly lid: string }

export const createPerson = (
  whatsApp: WhatsApp,
  pairing: Pairing,
  { name, phoneNumber, lid }: Identity,
): Person => {
  const jid = `${phoneNumber}@s.whatsapp.net`
  const lidUser = addressOf(lid).user
  const devices = new Map<number, Device>()
  const inbox = createSightings<Received>(`message to ${name}`)
  const receipts = createSightings<ReceiptSeen>(`receipt to ${name}`)
  const onReceived = new Set<(received: Received) => void>()
  let lastDevice = 0

  const linkWith = async ({ connection, secret }: ReturnType<Pairing['readQr']>): Promise<Device> => {
    const device = await link(whatsApp, person, ++lastDevice, connection, secret)
    devices.set(device.id, device)
    connection.close(streamError(515))
    return device
  }
  const chosen = (deviceId: number | undefined): Device[] =>
    [...devices.values()].filter(({ id }) => deviceId === undefined || id === deviceId)
  const connections = (deviceId: number | undefined): Connection[] =>
    chosen(deviceId).flatMap(({ connection }) => connection ?? [])

  const person: Person = {
    name,
    phoneNumber,
    jid,
    lid,
    devices,
    answers: ['delivery'],
    unreadableNext: 0,
    phone: createPhone(jid, bundleOf),
    address: (addressing, deviceId = 0) => {
      const device = deviceId === 0 ? '' : `:${deviceId}`
      return addressing === 'pn' ? `${phoneNumber}${device}@s.whatsapp.net` : `${lidUser}${device}@lid`
    },

    scan: async (qr) => linkWith(pairing.readQr(qr)),
    enterCode: async (code) => linkWith(await pairing.readCode(person, code)),
    unlink: (deviceId) => {
      for (const { id, connection } of chosen(deviceId)) {
        devices.delete(id)
        connection?.close(streamError('removed'))
      }
    },
    drop: (deviceId) => {
      for (const connection of connections(deviceId)) connection.drop()
    },
    hang: (deviceId) => {
      for (const connection of connections(deviceId)) connection.hang()
    },
    streamError: (code, deviceId) => {
      for (const connection of connections(deviceId)) connection.close(streamError(code))
    },

    put: (message) => {
      inbox.add(message)
      for (const tell of onReceived) tell(message)
    },
    inbox: inbox.all,
    received: (fits) => inbox.first(fits),
    onReceived,
    receipts: receipts.all,
    receiptSeen: (fits) => receipts.first(fits),
    heard: receipts.add,

    receipt: (chat, ids, type = 'delivery', options = {}) => {
      const group = typeof chat === 'string' ? whatsApp.groups.get(chat) : undefined
      const address = person.address(group?.addressing ?? options.addressing ?? whatsApp.addressing)
      const node = receiptNode(ids, {
        from: group?.id ?? address,
        participant: group && address,
        type: type === 'delivery' ? undefined : type,
      })
      const others = group?.members ?? [typeof chat === 'string' ? whatsApp.find(chat) : chat]
      for (const other of others)
        if (other && other !== person) for (const device of other.devices.values()) deliver(device, node)
    },
    readOnPhone: (chat, ids) => {
      const other = typeof chat === 'string' ? chat : chat.address(whatsApp.addressing)
      const attrs = copyAttrs(whatsApp, person, other)
      for (const device of devices.values())
        deliver(device, receiptNode(ids, { ...attrs, type: 'read-self' }))
    },
    ...createWriting({
      whatsApp,
      get author() {
        return person
      },
    }),
    ...createReading({
      whatsApp,
      get reader() {
        return person
      },
    }),
  }
  return person
}

const receiptNode = (ids: string | readonly string[], attrs: Record<string, string | undefined>) => {
  const [id, ...others] = typeof ids === 'string' ? [ids] : ids
  const list = stanza(
    'list',
    {},
    others.map((other) => stanza('item', { id: other })),
  )
  return stanza('receipt', { ...attrs, id, t: now() }, others.length > 0 ? [list] : undefined)
}
