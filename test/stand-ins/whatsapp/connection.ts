import { decodeBinaryNode, encodeBinaryNode, type BinaryNode, type proto } from '@whiskeysockets/baileys'
import type { WebSocket } from 'ws'
import type { Authority } from './certificate.ts'
import { createServerNoise } from './noise.ts'
import { newStanzaId } from './stanza.ts'
import type { Connection, Device, WhatsApp } from './types.ts'

const ANSWER_MS = 10_000

/** A connection as the server has it: the login says whose it is. */
export type Client = Connection & { device: Device | undefined }

type Steps = {
  /** The handshake is over. */
  readonly opened: (client: Client) => void
  readonly took: (client: Client, node: BinaryNode) => Promise<void>
  readonly closed: (client: Client) => void
}

/** One client: the handshake, then stanzas, one after the other. */
export const serve = (whatsApp: WhatsApp, authority: Authority, socket: WebSocket, steps: Steps) => {
  const noise = createServerNoise(authority)
  const asked = new Map<string, (answer: BinaryNode) => void>()
  let said: { noiseKey: Buffer; payload: proto.IClientPayload } | undefined
  let greeted = false
  let hanging = false
  let turn: Promise<void> = Promise.resolve()
  const whatItSaid = () => {
    if (!said) throw new Error('The client has not introduced itself yet.')
    return said
  }

  const client: Client = {
    device: undefined,
    get payload() {
      return whatItSaid().payload
    },
    get noiseKey() {
      return whatItSaid().noiseKey
    },
    send: (node) => {
      if (socket.readyState !== socket.OPEN || hanging) return
      whatsApp.stanzas.add({ direction: 'to-client', node, device: client.device })
      socket.send(noise.seal(encodeBinaryNode(node)))
    },
    query: (node) =>
      new Promise((resolve, reject) => {
        const id = newStanzaId()
        const timer = setTimeout(() => {
          asked.delete(id)
          reject(new Error(`The client did not answer <${node.tag}>.`))
        }, ANSWER_MS)
        asked.set(id, (answer) => {
          clearTimeout(timer)
          asked.delete(id)
          resolve(answer)
        })
        socket.once('close', () => {
          clearTimeout(timer)
          reject(new Error(`The client left before it answered <${node.tag}>.`))
        })
        client.send({ ...node, attrs: { ...node.attrs, id } })
      }),
    close: (last) => {
      if (last) client.send(last)
      socket.close()
    },
    drop: () => socket.terminate(),
    hang: () => {
      hanging = true
      socket.pause()
    },
  }

  const takeFrame = async (frame: Buffer): Promise<void> => {
    if (!greeted) {
      greeted = true
      socket.send(noise.serverHello(frame))
    } else if (!said) {
      said = noise.clientFinish(frame)
      steps.opened(client)
    } else {
      const node = await decodeBinaryNode(noise.open(frame))
      whatsApp.stanzas.add({ direction: 'from-client', node, device: client.device })
      const answered = ['result', 'error'].includes(node.attrs.type ?? '') && asked.get(node.attrs.id ?? '')
      if (answered) answered(node)
      else await steps.took(client, node)
    }
  }

  socket.on('message', (data: Buffer) => {
    turn = turn
      .then(async () => {
        for (const frame of noise.frames(data)) await takeFrame(frame)
      })
      .catch((error: unknown) => {
        whatsApp.errors.push(error instanceof Error ? error : new Error(String(error)))
        socket.terminate()
      })
  })
  socket.on('error', () => {})
  socket.on('close', () => steps.closed(client))
  return client
}
