import {
  initAuthCreds,
  makeWASocket,
  type AuthenticationState,
  type BaileysEventMap,
  type UserFacingSocketConfig,
  type WAMessage,
  type WASocket,
} from '@whiskeysockets/baileys'
import { pino } from 'pino'
import { textOf } from '../stand-ins/whatsapp/content.ts'
import { keysInMemory } from '../stand-ins/whatsapp/keys-in-memory.ts'
import { createSightings } from '../stand-ins/whatsapp/sightings.ts'
import type { Device, Person, WhatsApp } from '../stand-ins/whatsapp/whatsapp.ts'

type Update = BaileysEventMap['connection.update']
type Events = Partial<BaileysEventMap>

/** The real client as it comes, with its keys in memory, for tests of the stand-in. */
export const baileysClient = (whatsApp: Pick<WhatsApp, 'url'>, config: Partial<UserFacingSocketConfig> = {}) => {
  const auth: AuthenticationState = { creds: initAuthCreds(), keys: keysInMemory() }
  const events = createSightings<Events>('event of the client')
  let socket: WASocket | undefined
  let begun = 0

  const current = (): WASocket => {
    if (!socket) throw new Error('The client was not opened.')
    return socket
  }
  const open = () => {
    begun = events.all.length
    socket = makeWASocket({
      waWebSocketUrl: whatsApp.url,
      auth,
      logger: pino({ level: process.env.LOG_LEVEL ?? 'silent' }),
      connectTimeoutMs: 5000,
      ...config,
    })
    socket.ev.process((batch) => events.add(batch))
    return socket
  }
  /** The first update of this connection, or a later one, that fits. */
  const update = async (fits: (update: Update) => boolean): Promise<Update> => {
    const batch = await events.first(
      ({ 'connection.update': told }) => told !== undefined && fits(told),
      begun,
    )
    return batch['connection.update'] ?? {}
  }
  const qr = async (): Promise<string> => (await update((told) => told.qr !== undefined)).qr ?? ''
  const closed = async (): Promise<number | undefined> => {
    const { lastDisconnect } = await update(({ connection }) => connection === 'close')
    const error = lastDisconnect?.error
    return error && 'output' in error ? error.output.statusCode : undefined
  }
  const connect = async () => {
    open()
    await update(({ connection }) => connection === 'open')
  }

  return {
    auth,
    events,
    get socket() {
      return current()
    },
    open,
    connect,
    qr,
    update,
    /** The status code that this connection ended with. */
    closed,
    /** Shows a QR, has it scanned, and logs in. */
    link: async (person: Person): Promise<Device> => {
      open()
      const device = await person.scan(await qr())
      await closed()
      await connect()
      return device
    },
    messages: (): readonly WAMessage[] =>
      events.all.flatMap((batch) => batch['messages.upsert']?.messages ?? []),
    message: async (fits: (message: WAMessage) => boolean): Promise<WAMessage> => {
      const batch = await events.first((each) => each['messages.upsert']?.messages.some(fits) === true)
      const found = batch['messages.upsert']?.messages.find(fits)
      if (!found) throw new Error('It was there a moment ago.')
      return found
    },
    text: (message: WAMessage): string | undefined => textOf(message.message ?? {}),
    end: async () => {
      await socket?.end(undefined)
    },
  }
}

export type BaileysClient = ReturnType<typeof baileysClient>
