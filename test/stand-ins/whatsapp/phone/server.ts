/** The page that looks like a phone, and what it asks for. On 127.0.0.1 alone, for pages of its own alone. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { reactionTo, revocationOf } from '../content.ts'
import { fileIn, messageWith, type Attachment } from '../media.ts'
import type { Person } from '../types.ts'
import type { World } from '../world.ts'
import type { Instance } from './app.ts'
import { openChat } from './chat.ts'

type Parts = {
  readonly world: World
  readonly business: Person
  readonly people: readonly Person[]
  readonly instance: Instance
}
type Action = {
  readonly person: string
  readonly id: string
  readonly text: string
  readonly replyTo?: string
  readonly file: { readonly name: string; readonly mimetype: string; readonly base64: string }
}

/** Files that a browser may show; all else it only saves. */
const SHOWN = /^(image\/(png|jpeg|webp|gif)|audio\/(ogg|mpeg|mp4)|video\/mp4)/

export const servePhone = async ({ world, business, people, instance }: Parts, port: number) => {
  const chats = new Map(
    people.map((person) => [person.phoneNumber, { person, chat: openChat(person, business) }]),
  )
  const chatOf = (phoneNumber: string) => {
    const found = chats.get(phoneNumber)
    if (!found) throw new Error(`Nobody has the number ${phoneNumber}`)
    return found
  }
  const page = await readFile(join(import.meta.dirname, 'page.html'), 'utf8')

  const isTyping = ({ jid, lid }: Person) => {
    const last = world.presence.seen.all.findLast(({ to }) => to === jid || to === lid)
    return last?.presence === 'composing' || last?.presence === 'recording'
  }
  const state = async () => ({
    app: { url: instance.url },
    business: { name: business.name, phoneNumber: business.phoneNumber, ...(await instance.connection()) },
    people: [...chats.values()].map(({ person, chat }) => ({
      name: person.name,
      phoneNumber: person.phoneNumber,
      typing: isTyping(person),
      entries: chat.entries(),
    })),
    errors: world.errors().map(({ message }) => message),
  })

  const actions: Record<string, (action: Action) => Promise<unknown>> = {
    scan: async () => business.scan(await instance.qr()),
    code: async ({ text }) => business.enterCode(text.replace(/[^0-9a-z]/gi, '').toUpperCase()),
    unlink: async () => business.unlink(),
    write: async ({ person: number, text, replyTo }) => {
      const { person, chat } = chatOf(number)
      const id = await person.writeTo(business, text, replyTo === undefined ? {} : { replyTo })
      const contextInfo = replyTo === undefined ? {} : { contextInfo: { stanzaId: replyTo } }
      chat.wrote(id, { extendedTextMessage: { text, ...contextInfo } })
    },
    file: async ({ person: number, text, file }) => {
      const { person, chat } = chatOf(number)
      const message = await messageWith(world.host, attachmentOf(file, text))
      chat.wrote(await person.writeTo(business, message), message)
    },
    react: async ({ person: number, id, text }) => {
      const { person, chat } = chatOf(number)
      await person.react(business, id, text)
      chat.wrote('', reactionTo({ id }, text))
    },
    revoke: async ({ person: number, id }) => {
      const { person, chat } = chatOf(number)
      await person.revoke(business, id)
      chat.wrote('', revocationOf({ id }))
    },
    read: async ({ person: number }) => {
      const { person, chat } = chatOf(number)
      const ids = chat.read()
      if (ids.length > 0) person.receipt(business, ids, 'read')
    },
    typing: async ({ person, text }) =>
      world.presence.show(chatOf(person).person, business, text === 'composing' ? text : 'paused'),
  }

  const file = async (response: ServerResponse, url: URL) => {
    const { chat } = chatOf(url.searchParams.get('person') ?? '')
    const message = chat.messageOf(url.searchParams.get('id') ?? '')
    const type = fileIn(message)?.fields.mimetype ?? ''
    const bytes = await world.openFile(message)
    response
      .writeHead(200, {
        'content-type': SHOWN.test(type) ? type : 'application/octet-stream',
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'",
      })
      .end(bytes)
  }
  const show = (response: ServerResponse) => {
    const nonce = randomBytes(16).toString('base64')
    const policy = `default-src 'none'; connect-src 'self'; img-src 'self' data:; media-src 'self'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; form-action 'none'; frame-ancestors 'none'`
    response
      .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy })
      .end(page.replaceAll('{{nonce}}', nonce))
  }
  const answer = async (request: IncomingMessage, response: ServerResponse, own: string) => {
    const url = new URL(request.url ?? '/', own)
    // A name that leads here, and a page of somebody else's, get nothing.
    const isOwn = url.host === request.headers.host && (request.headers.origin ?? own) === own
    if (!isOwn) return void response.writeHead(403).end()
    if (request.method === 'GET' && url.pathname === '/') return show(response)
    if (request.method === 'GET' && url.pathname === '/file') return file(response, url)
    const reply = (body: unknown) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.method === 'GET' && url.pathname === '/state') return void reply(await state())
    const act = Object.hasOwn(actions, url.pathname.slice(1)) ? actions[url.pathname.slice(1)] : undefined
    if (request.method !== 'POST' || !act) return void response.writeHead(404).end()
    await act((await json(request)) as Action)
    reply({})
  }

  const own = `http://127.0.0.1:${port}`
  const server = createServer((request, response) =>
    answer(request, response, own).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
    }),
  )
  const cannotListen = ({ message }: Error) =>
    new Error(`The page has no port: ${message}. Set PORT so that it and the port after it are free.`)
  await new Promise<void>((done, fail) =>
    server.once('error', (error) => fail(cannotListen(error))).listen(port, '127.0.0.1', done),
  )
  return {
    url: own,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

const attachmentOf = ({ name, mimetype, base64 }: Action['file'], caption: string): Attachment => {
  const bytes = Buffer.from(base64, 'base64')
  const said = caption === '' ? {} : { caption }
  if (mimetype.startsWith('image/')) return { kind: 'image', bytes, mimetype, ...said }
  if (mimetype.startsWith('video/')) return { kind: 'video', bytes, mimetype, ...said }
  if (mimetype.startsWith('audio/')) return { kind: 'voice', bytes, mimetype }
  return {
    kind: 'document',
    bytes,
    mimetype: mimetype || 'application/octet-stream',
    fileName: name,
    ...said,
  }
}
