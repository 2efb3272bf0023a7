import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Client, type Json } from '../support/client.ts'
import { range } from '../support/range.ts'
import { eventually } from '../support/eventually.ts'
import { instanceClient, storingNothing, type App } from './world.ts'

let app: App
let instance: string
let bot: Client
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())
beforeEach(async () => {
  instance = await createConnectedInstance(app.admin)
  bot = await instanceClient(app.admin, instance)
})

const numberOf = (n: number) => String(5_511_900_000_000 + n)
const importing = (contacts: unknown, client = app.admin) =>
  client.post('/contacts/import', { instance_id: instance, contacts })
const total = async () => (await bot.get('/contacts')).body.meta.pagination.total

describe('POST /contacts/import', () => {
  it.each(['', '/api/v1'])(
    'at %s answers as the reference shows, and the contacts are there',
    async (prefix) => {
      const contacts = [
        { phone_number: '+5511999999999', name: 'John Doe' },
        {
          phone_number: '+5511888888888',
          name: 'Jane Smith',
          email: ' jane@example.com ',
          notes: '',
          company: null,
        },
      ]
      const answer = await app.admin.post(`${prefix}/contacts/import`, { instance_id: instance, contacts })
      expect(answer.status).toBe(200)
      expect(answer.body).toEqual({
        success: true,
        message: 'Contacts imported successfully',
        data: { imported: 2, skipped: 0, errors: [] },
      })
      expect((await bot.get('/contacts')).body.data).toMatchObject([
        {
          name: 'Jane Smith',
          phone_number: '5511888888888',
          email: 'jane@example.com',
          notes: null,
          is_saved: true,
        },
        { name: 'John Doe', phone_number: '5511999999999' },
      ])
    },
  )
  it('names each bad row and why, saves the others, and skips what is there or came before', async () => {
    await bot.post('/contacts', { phone_number: numberOf(1), name: 'Here before' })
    const { body } = await importing([
      { phone_number: numberOf(1), name: 'Not this one' },
      { phone_number: numberOf(2), name: 'First' },
      { phone_number: `+${numberOf(2)}`, name: 'Repeated' },
      { phone_number: 'Maria' },
      { name: 'No number' },
      { phone_number: numberOf(3), email: 'john@', name: 5 },
      { phone_number: '120363041234567890@g.us' },
      { phone_number: 5511999999999 },
      { phone_number: 'x'.repeat(500) },
      'text',
      null,
      { phone_number: numberOf(4) },
    ])
    expect(body.data).toMatchObject({ imported: 2, skipped: 2 })
    const text = (message: string) => expect.stringContaining(message)
    expect(body.data.errors).toEqual([
      { row: 4, phone_number: 'Maria', message: text('phone_number must be a WhatsApp number') },
      { row: 5, phone_number: null, message: 'phone_number is required' },
      { row: 6, phone_number: numberOf(3), message: text('email must be an e-mail address') },
      { row: 7, phone_number: '120363041234567890@g.us', message: text('must be a person') },
      { row: 8, phone_number: null, message: 'phone_number must be text' },
      { row: 9, phone_number: 'x'.repeat(100), message: text('at most 100 characters') },
      { row: 10, phone_number: null, message: 'row must be an object' },
      { row: 11, phone_number: null, message: 'row must be an object' },
    ])
    expect(body.data.errors[2].message).toContain('name must be text or null')
    const names = (await bot.get('/contacts')).body.data.map((one: Json) => one.display_name)
    expect(names).toEqual([numberOf(4), 'First', 'Here before'])
  })
  it('saves who only wrote so far', async () => {
    await bot.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('W1', numberOf(1)))
    await eventually(async () => expect(await total()).toBe(1))
    expect((await importing([{ phone_number: numberOf(1), name: 'John' }])).body.data.imported).toBe(1)
    expect((await bot.get('/contacts')).body.data).toMatchObject([
      { name: 'John', push_name: `Name of ${numberOf(1)}` },
    ])
  })
  it('takes 10,000 rows at once while other requests are answered; made again, it skips them all', async () => {
    const rows = range(10_000).map((n) =>
      n % 1000 === 999
        ? { phone_number: 'wrong' }
        : {
            phone_number: numberOf(n),
            name: `Contact ${n}`,
            email: `c${n}@example.com`,
            notes: 'x'.repeat(200),
          },
    )
    let isOver = false
    const begunAt = performance.now()
    const done = importing(rows).finally(() => (isOver = true))
    const waits: number[] = []
    while (!isOver) {
      const startedAt = performance.now()
      expect((await bot.get('/instances')).status).toBe(200)
      waits.push(performance.now() - startedAt)
    }
    const { body } = await done
    const tookMs = performance.now() - begunAt
    expect(body.data).toMatchObject({ imported: 9990, skipped: 0 })
    expect(body.data.errors.map(({ row }: Json) => row)).toEqual(range(10).map((n) => n * 1000 + 1000))
    expect(waits.length, 'requests that were answered meanwhile').toBeGreaterThan(20)
    expect(Math.max(...waits), 'of which none waits for the import').toBeLessThan(tookMs / 2)
    await eventually(async () => expect(await total()).toBe(9990))
    const again = await storingNothing(app, () => importing(rows))
    expect(again.body.data).toMatchObject({ imported: 0, skipped: 9990 })
    expect(app.faults).toEqual([])
  }, 180_000)
  it('refuses more than 10,000 rows', async () => {
    const rows = range(10_001).map(() => ({}))
    const { status, body } = await storingNothing(app, () => importing(rows))
    expect(status).toBe(422)
    expect(body.error.details).toEqual({ contacts: ['must have at most 10000 items'] })
  })
  it('takes larger bodies than other calls', async () => {
    const rows = range(1000).map((n) => ({ phone_number: numberOf(n), notes: 'x'.repeat(2000) }))
    expect((await importing(rows)).body.data).toMatchObject({ imported: 1000 })
  })
  it('with the token of an instance goes to that instance, and to no other', async () => {
    const other = await createConnectedInstance(app.admin, 'other')
    const contacts = [{ phone_number: numberOf(1) }]
    expect((await bot.post('/contacts/import', { contacts })).body.data.imported).toBe(1)
    expect(await total()).toBe(1)
    const foreign = { instance_id: other, contacts }
    expect((await storingNothing(app, () => bot.post('/contacts/import', foreign))).status).toBe(404)
  })
})

/** A CSV text as rows of cells. */
const cellsOf = (csv: string): string[][] => {
  const rows: string[][] = []
  let row: string[] = []
  for (const [, quoted, plain = '', end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted?.replaceAll('""', '"') ?? plain)
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}
const exported = async (query: string, client = bot) => {
  const { status, headers, body } = await client.get(`/contacts/export${query}`)
  expect(status).toBe(200)
  return { type: headers.get('content-type'), disposition: headers.get('content-disposition'), body }
}
const tableOf = (csv: string): Json[] => {
  const [head = [], ...rows] = cellsOf(csv.replace(/^\uFEFF/, ''))
  return rows.map((row) => Object.fromEntries(head.map((name, n) => [name, row[n]])))
}

describe('GET /contacts/export', () => {
  it('is JSON if nothing else is said, with everything that the list shows', async () => {
    for (const name of ['b', 'a'])
      await bot.post('/contacts', { phone_number: numberOf(name.charCodeAt(0)), name })
    const listed = (await bot.get('/contacts')).body.data
    for (const query of ['', '?format=json']) {
      const { type, disposition, body } = await exported(query)
      expect(type).toBe('application/json')
      expect(disposition).toBe('attachment; filename="contacts.json"')
      expect(body, 'the oldest first').toEqual({ success: true, data: listed.toReversed() })
    }
  })
  it('of nobody is an empty list, or a head without rows', async () => {
    expect((await exported('')).body).toEqual({ success: true, data: [] })
    expect(tableOf((await exported('?format=csv')).body)).toEqual([])
  })
  it('as CSV can be read by spreadsheets and is what was imported; no cell is a formula', async () => {
    const people = [
      { name: '=HYPERLINK("http://evil.example")', company: '+1', notes: '-2+3', email: 'a@example.com' },
      { name: '@SUM(A1)', company: 'Doe, "John"', notes: 'two\r\nlines', email: 'b@example.com' },
      { name: 'São João 👋', company: 'Half\r=1+1', notes: 'half\n=1+1', email: 'c@example.com' },
    ].map((one, n) => ({ ...one, phone_number: numberOf(n) }))
    expect((await importing(people)).body.data.imported).toBe(3)
    const response = await fetch(`${app.url}/api/v1/contacts/export?format=csv&instance_id=${instance}`, {
      headers: { authorization: `Bearer ${await token()}` },
    })
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="contacts.csv"')
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(bytes.subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]))
    const rows = tableOf(bytes.toString())
    const cells = rows.flatMap((row) => Object.values<string>(row))
    expect(cells.filter((cell) => /^[=+\-@\t\r]/.test(cell))).toEqual([])
    expect(rows).toMatchObject([
      { name: `'=HYPERLINK("http://evil.example")`, company: "'+1", notes: "'-2+3", is_saved: 'true' },
      { name: "'@SUM(A1)", company: 'Doe, "John"', notes: 'two\r\nlines' },
      { name: 'São João 👋', company: 'Half\r=1+1', notes: 'half\n=1+1', email: 'c@example.com' },
    ])

    const copy = await createConnectedInstance(app.admin, 'copy')
    const again = await app.admin.post('/contacts/import', { instance_id: copy, contacts: rows })
    expect(again.body.data).toEqual({ imported: 3, skipped: 0, errors: [] })
    const names = (await exported(`?instance_id=${copy}`, app.admin)).body.data.map(({ name }: Json) => name)
    expect(names.at(-1)).toBe('São João 👋')
  })
  /** The bearer token of the instance, for a request that is looked at byte by byte. */
  const token = async () =>
    String((await app.admin.post(`/instances/${instance}/tokens`, { name: 'export' })).body.data.token)

  it('sends many contacts page by page, each once, as they are read', async () => {
    const rows = range(2500).map((n) => ({ phone_number: numberOf(n), notes: 'x'.repeat(500) }))
    await importing(rows)
    const headers = { authorization: `Bearer ${await token()}` }
    for (const format of ['json', 'csv']) {
      const response = await fetch(`${app.url}/contacts/export?format=${format}`, { headers })
      expect(response.headers.get('content-length'), 'the length is not known beforehand').toBeNull()
      const text = await response.text()
      const data: Json[] = format === 'json' ? JSON.parse(text).data : tableOf(text)
      const numbers = data.map((row) => row.phone_number)
      expect(numbers).toHaveLength(2500)
      expect(new Set(numbers)).toEqual(new Set(rows.map((row) => row.phone_number)))
      const ids = data.map(({ id }) => Number(id))
      expect(ids).toEqual(ids.toSorted((one, other) => one - other))
    }
  })
  it('breaks off, so that nobody takes a part for the whole, when the database fails on the way', async () => {
    // More than the sockets between hold: 15,000 bytes each.
    const notes = '€'.repeat(5000)
    for (const from of [0, 300, 600, 900])
      await importing(range(300).map((n) => ({ phone_number: numberOf(from + n), notes })))
    const headers = { authorization: `Bearer ${await token()}` }
    const response = await fetch(`${app.url}/contacts/export`, { headers })
    expect(response.status).toBe(200)
    await app.pool.query('alter table contact rename to away')
    try {
      await expect(response.text()).rejects.toThrow()
    } finally {
      await app.pool.query('alter table away rename to contact')
    }
  })
  it('shows those of one instance only: the one asked for, or the one of the token', async () => {
    const other = await createConnectedInstance(app.admin, 'other')
    await importing([{ phone_number: numberOf(1) }])
    await app.admin.post('/contacts', { instance_id: other, phone_number: numberOf(2) })
    const seen = async (query: string, client: Client) =>
      new Set((await exported(query, client)).body.data.map((one: Json) => one.instance_id))
    expect(await seen('', bot)).toEqual(new Set([instance]))
    expect(await seen(`?instance_id=${other}`, app.admin)).toEqual(new Set([other]))
    expect((await seen('', app.admin)).size).toBeGreaterThan(1)
    expect((await bot.get(`/contacts/export?instance_id=${other}`)).status).toBe(404)
  })
  it('refuses another format', async () => {
    const { status, body } = await bot.get('/contacts/export?format=xlsx')
    expect(status).toBe(422)
    expect(body.error.details).toEqual({ format: ['must be one of: json, csv'] })
  })
  it('is documented with both of its types', async () => {
    const document = (await app.admin.get('/openapi.json')).body
    const { content } = document.paths['/contacts/export'].get.responses['200']
    expect(Object.keys(content)).toEqual(['application/json', 'text/csv; charset=utf-8'])
    expect(content['application/json'].schema.properties.data.type).toBe('array')
  })
})
