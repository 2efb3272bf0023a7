import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { sandboxGateway } from '../../src/adapters/sandbox/gateway.ts'
import type { MediaMessage } from '../../src/domain/content.ts'
import type { Gateway, GatewayListener } from '../../src/ports/gateway.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Json } from '../support/client.ts'
import { createTestDatabase } from '../support/database.ts'
import { AT, JOHN } from '../support/facts.ts'
import { download, pdf } from '../support/files.ts'
import { startReceiver } from '../support/receiver.ts'
import { eventually } from '../support/eventually.ts'
import type { App } from './world.ts'

const PUBLIC_URL = 'https://api.example.com'

let app: App
let pool: ReturnType<typeof createPool>
let listener: GatewayListener
let receiver: Awaited<ReturnType<typeof startReceiver>>
let instance: string
beforeAll(async () => {
  const database = await createTestDatabase()
  pool = createPool(database.url, { max: 4, onError: () => undefined })
  const sandbox = sandboxGateway(pool, () => undefined)
  /** The simulated phone, whose files are given by hand. */
  const gateway: Gateway = {
    ...sandbox,
    open: (session, told) => {
      listener = told
      return sandbox.open(session, told)
    },
  }
  app = await startApp({ PUBLIC_URL }, { gateways: { sandbox: gateway }, sandbox }, database)
  receiver = await startReceiver()
  instance = await createConnectedInstance(app.admin)
  const webhook = { webhook_url: receiver.url, events: ['message.received'] }
  expect((await app.admin.put(`/instances/${instance}/webhook`, webhook)).status).toBe(200)
})
afterAll(async () => {
  await pool.end()
  await app.stop()
  await receiver.close()
})

/** Tells of a message, as a gateway does. */
const tell = async (whatsappId: string, content: MediaMessage) => {
  await listener.message({ whatsappId, chat: JOHN, fromMe: false, sender: JOHN, content, at: AT })
  const { body } = await app.admin.get(`/conversations?instance_id=${instance}`)
  const { body: page } = await app.admin.get(`/conversations/${body.data[0].id}/messages`)
  return page.data.messages.find((one: Json) => one.whatsapp_message_id === whatsappId)
}

describe('a file that came in', () => {
  it('can be read at the address that the API and webhooks give, and by its message', async () => {
    const content = { kind: 'document', filename: 'report.pdf' } as const
    const body = Readable.from([pdf])
    const kept = await listener.file({ whatsappId: 'A', chat: JOHN, fromMe: false, content, body })
    const message = await tell('A', kept)
    expect(message).toMatchObject({ media_type: 'document', filename: 'report.pdf', media_missing: null })
    expect(message.media_url).toMatch(new RegExp(`^${PUBLIC_URL}/files/[\\w-]{32}\\.pdf$`))
    const path = message.media_url.slice(PUBLIC_URL.length)
    expect((await fetch(`${app.url}${path}`)).headers.get('content-type')).toBe('application/pdf')
    expect((await download(app.admin, path)).bytes).toEqual(pdf)
    expect((await download(app.admin, `/messages/${message.unique_id}/media`)).bytes).toEqual(pdf)
    await eventually(() => {
      const told = receiver.received.map(({ data }) => data)
      expect(told).toContainEqual(expect.objectContaining({ media_url: message.media_url }))
    })
  })

  it('and could not be had leaves its message, which says why', async () => {
    const message = await tell('B', { kind: 'image', caption: 'Look', mediaMissing: 'expired' })
    expect(message).toMatchObject({
      message_body: 'Look',
      media_type: 'image',
      media_url: null,
      media_missing: 'expired',
    })
    expect((await download(app.admin, `/messages/${message.unique_id}/media`)).status).toBe(404)
    await eventually(() => {
      const told = receiver.received.map(({ data }) => data)
      expect(told).toContainEqual(expect.objectContaining({ media_url: null, media_missing: 'expired' }))
    })
  })
})
