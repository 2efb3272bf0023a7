import { createHmac, timingSafeEqual } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Json } from '../support/client.ts'
import { jpeg } from '../support/files.ts'
import { differences } from './compare.ts'
import type { Entry, Real } from './entry.ts'
import { headings } from './headings.ts'
import { referenceMarkdown } from './markdown.ts'
import { payloads } from './payloads.ts'
import { prepareWorld, type World } from './prepared-world.ts'
import { bare, sections, table, titleOf } from './table.ts'

let world: World
beforeAll(async () => {
  world = await prepareWorld()
})
afterAll(() => world.stop())

/** Puts real things in the place of documented ones: anywhere in a path, and for whole texts of a body. */
const inPath = (path: string, real: Real) =>
  Object.entries(real).reduce(
    (text, [shown, thing]) => text.replaceAll(shown, encodeURIComponent(thing)),
    path,
  )
const inBody = (body: unknown, real: Real): Json =>
  JSON.parse(
    JSON.stringify(body, (_, value: unknown) => (typeof value === 'string' ? (real[value] ?? value) : value)),
  )

const requestOf = ({ body, form }: Entry, real: Real, token: string | undefined) => {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`
  // One of the document's required headers, so clients send it even where there is no body.
  if (!form) headers['content-type'] = 'application/json'
  return {
    headers,
    ...(body !== undefined && { body: JSON.stringify(inBody(body, real)) }),
    ...(form && { body: formOf(form) }),
  }
}
const formOf = ({ file, ...fields }: Readonly<Record<string, string>>) => {
  const form = new FormData()
  if (file !== undefined) form.append('file', new Blob([new Uint8Array(jpeg)]), file)
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  return form
}

const walk = async (entry: Entry, prefix: string) => {
  const { call, path, by = 'user', status = 200, answer, assumed, contentType } = entry
  const [method = '', heading = ''] = call.split(' ')
  const real = (await entry.given?.(world)) ?? {}
  const address = world.app.url + prefix + inPath(bare(path ?? heading), real)
  const response = await fetch(address, { method, ...requestOf(entry, real, await world.tokens[by]()) })
  const bytes = Buffer.from(await response.arrayBuffer())
  expect(response.status, bytes.toString()).toBe(status)
  expect(response.headers.get('content-type')).toContain(contentType ?? 'application/json')
  const body: Json = contentType === undefined ? JSON.parse(bytes.toString()) : undefined
  if (contentType === undefined)
    expect(
      differences(inBody(answer ?? assumed, real), body, { ...entry, exact: Object.values(real) }),
    ).toEqual([])
  await entry.afterwards?.(world, { real, body, bytes })
}

describe.each(sections)('the section %s', (section) => {
  describe.each(['', '/api/v1'])('under "%s"', (prefix) => {
    const named = table[section].map((entry) => ({ ...entry, title: entry.title ?? 'as documented' }))
    it.for(named)('$call, $title', (entry) => walk(entry, prefix))
  })
})

describe('the webhooks of the section webhooks', () => {
  const SECRET = 'your_webhook_secret'

  it('reach a receiver with headers and payload as documented, field by field', async () => {
    const { must, phone, pairing, receiver } = world
    const instance = await pairing('Webhooks')
    const settings = { webhook_url: receiver.url, webhook_secret: SECRET }
    await must('PUT', `/instances/${instance}/webhook`, settings)
    await phone(instance, 'scan', { phone_number: '5511999999999', name: 'Meu WhatsApp' })
    await must('POST', `/webhooks/instance/${instance}/incoming`, {
      message: { conversation: 'Hello, I need help!' },
      pushName: 'John Doe',
      key: { remoteJid: '5511999999999@s.whatsapp.net', fromMe: false, id: '3EB0ABC123456789' },
    })
    const sent = await must('POST', '/send-message', {
      instance_id: instance,
      recipient: '5511888888888',
      message: 'Thanks for contacting us!',
    })
    await phone(instance, 'receipts', { message_id: sent.message_id, status: 'delivered' })

    const exact = [instance]
    for (const { event, headers, payload, ...rules } of payloads) {
      const received = await vi.waitFor(() => {
        const one = receiver.received.find(
          (each) => each.event === event && each.headers['x-instance-uuid'] === instance,
        )
        if (!one) throw new Error(`No ${event} yet`)
        return one
      }, 10_000)
      const real = { [payload.instance_uuid]: instance }
      expect(differences(inBody(headers, real), received.headers, { exact }), event).toEqual([])
      expect(differences(inBody(payload, real), received.body, { ...rules, exact }), event).toEqual([])
      expect(verifiesLikeNode(received.headers['x-webhook-signature'], received.body, SECRET)).toBe(true)
      expect(verifiesLikePhp(received.headers['x-webhook-signature'], received.raw, SECRET)).toBe(true)
    }
  })
  it('do not verify with another secret, or with another body', async () => {
    const [received] = world.receiver.received
    const signature = received?.headers['x-webhook-signature']
    expect(verifiesLikeNode(signature, received?.body, `${SECRET}!`)).toBe(false)
    expect(
      verifiesLikePhp(signature, Buffer.concat([received?.raw ?? Buffer.from(''), Buffer.from(' ')]), SECRET),
    ).toBe(false)
  })
})

/** As the document's example for Node.js does it: over the body parsed and made text again. */
const verifiesLikeNode = (signature: unknown, body: unknown, secret: string) => {
  const expected = createHmac('sha256', secret).update(JSON.stringify(body)).digest('hex')
  return timingSafeEqual(Buffer.from(String(signature)), Buffer.from(expected))
}
/** As the document's example for PHP does it: over the bytes. */
const verifiesLikePhp = (signature: unknown, raw: Buffer, secret: string) =>
  signature === createHmac('sha256', secret).update(raw).digest('hex')

describe('the table', () => {
  it('has an entry for each heading of the document, in its order, and no other', () => {
    for (const section of sections) {
      const calls = table[section].filter(({ beside }) => !beside).map(({ call }) => call)
      expect([...new Set(calls)], section).toEqual(headings[section])
    }
    expect(Object.values(headings).flat()).toHaveLength(82)
    expect(Object.keys(titleOf)).toEqual(Object.keys(table))
  })
  it('compares something for every entry, and says so where the document shows no answer', () => {
    for (const { call, answer, assumed, contentType, note, beside } of Object.values(table).flat()) {
      expect(
        [answer, assumed, contentType].filter((one) => one !== undefined),
        call,
      ).toHaveLength(1)
      if (answer === undefined && !beside) expect(note, call).toBeTruthy()
    }
  })
  it('is docs/reference.md', async () => {
    await expect(referenceMarkdown()).toMatchFileSnapshot('../../docs/reference.md')
  })
})
