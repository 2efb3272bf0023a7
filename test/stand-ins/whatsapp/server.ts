import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { testCertificate } from '../../support/certificate.ts'
import { createAuthority } from './certificate.ts'
import { serve, type Client } from './connection.ts'
import { answerIq, basicHandlers } from './iqs.ts'
import { login } from './login.ts'
import { takeMessage } from './messages.ts'
import { createPairing } from './pairing.ts'
import { createPerson } from './person.ts'
import { acknowledge, deliver } from './queue.ts'
import { takeReceipt } from './receipts.ts'
import { createSightings } from './sightings.ts'
import { addressOf, required } from './stanza.ts'
import type { Device, Faults, IqHandler, Person, Stanza, WhatsApp, WhatsAppOptions } from './types.ts'

const PATH = '/ws/chat'

const noFaults = (): Faults => ({
  qrRefs: 6,
  refreshOnScan: false,
  forgedAccountSignature: false,
  forgedPreKeySignature: false,
  backlogMarkerWithheld: false,
})

/** Starts a WhatsApp that the real client can be linked to, once it trusts it. */
export const startWhatsApp = async (options: WhatsAppOptions = {}): Promise<WhatsApp> => {
  const authority = createAuthority({ forged: options.forgedCertificate === true })
  const http = createServer()
  const sockets = new WebSocketServer({ noServer: true })
  const connections = new Set<Client>()
  const people: Person[] = []
  const handlers = new Map<string, IqHandler>()
  const host = options.host ?? '127.0.0.1'

  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(options.port ?? 0, host, resolve)
  })
  const address = http.address()
  const port = typeof address === 'object' && address ? address.port : options.port

  const whatsApp: WhatsApp = {
    url: `ws://${host}:${port}${PATH}`,
    rootKey: authority.rootKey,
    mediaCa: testCertificate,
    addressing: options.addressing ?? 'lid',
    faults: noFaults(),
    people,
    person: (name, identity = {}) => {
      const phoneNumber = identity.phoneNumber ?? String(15_551_000_000 + people.length)
      const lid = identity.lid ?? `${100_000_000_000_000 + Number(phoneNumber)}@lid`
      if (whatsApp.find(`${phoneNumber}@s.whatsapp.net`)) throw new Error('This phone number is taken.')
      const person = createPerson(whatsApp, pairing, { name, phoneNumber, lid })
      people.push(person)
      return person
    },
    find: (jid) => {
      const { user, server } = addressOf(jid)
      const bare = `${user}@${server}`
      return people.find((person) => person.jid === bare || person.lid === bare)
    },
    groups: new Map(),
    handlers,
    stanzaHandlers: new Map(),
    onLinked: new Set(),
    deliver: (person, deviceId, node) => {
      const device = person.devices.get(deviceId)
      if (device) deliver(device, node)
    },
    stanzas: createSightings<Stanza>('stanza'),
    connections,
    errors: [],
    stop: async () => {
      for (const client of connections) client.drop()
      sockets.close()
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
  const pairing = createPairing(whatsApp)
  const arrived = afterFirstPreKeys(whatsApp)
  for (const [xmlns, handler] of basicHandlers(whatsApp, pairing, arrived)) handlers.set(xmlns, handler)

  http.on('upgrade', (request, socket, head) => {
    const { upgrade } = whatsApp.faults
    if (upgrade !== undefined || request.url?.split('?')[0] !== PATH) {
      socket.end(`HTTP/1.1 ${upgrade ?? 404} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
      return
    }
    sockets.handleUpgrade(request, socket, head, (upgraded) => {
      connections.add(
        serve(whatsApp, authority, upgraded, {
          opened: (client) => {
            if (client.payload.devicePairingData) pairing.offer(client)
            else login(whatsApp, client)
          },
          took: (client, node) => take(whatsApp, client, node),
          closed: (client) => {
            connections.delete(client)
            pairing.withdraw(client)
            if (client.device?.connection === client) client.device.connection = undefined
          },
        }),
      )
    })
  })
  return whatsApp
}

const take = async (whatsApp: WhatsApp, client: Client, node: Stanza['node']): Promise<void> => {
  if (node.tag === 'iq') return answerIq(whatsApp, node, client)
  const { device } = client
  switch (node.tag) {
    case 'message':
      if (device) await takeMessage(whatsApp, node, device)
      break
    case 'receipt':
      client.send({ tag: 'ack', attrs: { class: 'receipt', id: required(node, 'id') } })
      if (device) await takeReceipt(whatsApp, node, device)
      break
    case 'ack':
      if (device) acknowledge(device, node)
      break
  }
  await whatsApp.stanzaHandlers.get(node.tag)?.(node, client)
}

/** A phone sends keys and history to a new device once its pre-keys are there. */
const afterFirstPreKeys = (whatsApp: WhatsApp) => {
  const seen = new Set<Device>()
  return (device: Device) => {
    if (seen.has(device)) return
    seen.add(device)
    const told = Promise.all([...whatsApp.onLinked].map(async (tell) => tell(device)))
    told.catch((error: unknown) =>
      whatsApp.errors.push(error instanceof Error ? error : new Error(String(error))),
    )
  }
}
