import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { asOfRequest, showAsOf } from '../../src/cli/audit/as-of.ts'
import { WrongUsage } from '../../src/cli/command.ts'
import type { Content } from '../../src/domain/content.ts'
import { contactId, conversationId } from '../../src/domain/ids.ts'
import type { Answer, Client, Json } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startToldApp } from '../support/told-app.ts'
import { CHATS, createLife } from './life.ts'
import { addTenant, instanceClient, storingNothing } from './world.ts'

const SHOWN = 100
const PATIENCE = { timeout: 20_000, interval: 50 }

/** What was answered at a time. */
type Moment = {
  readonly at: string
  readonly answers: ReadonlyMap<string, Pick<Answer<Json>, 'status' | 'body'>>
}
type Shop = { readonly client: Client; readonly tenant: string; readonly instance: string }

let app: Awaited<ReturnType<typeof startToldApp>>
beforeAll(async () => {
  app = await startToldApp()
})
afterAll(() => app.stop())

const openShop = async (name: string) => {
  const { tenant, client } = await addTenant(app, name, { time_zone: 'America/Sao_Paulo' })
  return { client, tenant: tenant.uuid, ...(await app.pair(client)) }
}

/** Everything that can be asked as of a time, of everything that was ever heard of. */
const pathsOf = ({ instance }: Shop, numbers: ReadonlySet<number>) => {
  const lists = [
    '/conversations?format=chat',
    `/conversations?search=5511900000001&include_tags=true&instance_id=${instance}`,
    '/conversations/archived?include_tags=true',
    '/chat/conversations?untagged=true',
    `/conversations?unread=true&is_group=false&tag_ids=${instance}`,
    '/contacts?page=1',
    `/contacts?search=person&instance_id=${instance}`,
  ].map((path) => `${path}&per_page=${SHOWN}`)
  const ofConversations = CHATS.flatMap((chat) => [
    `/conversations/${conversationId(instance, chat)}?format=chat`,
    `/chat/conversations/${conversationId(instance, chat)}/messages?limit=${SHOWN}`,
    `/conversations/${conversationId(instance, chat)}/messages?limit=3&before_id=1000&to=2030-01-01T00:00:00Z`,
  ])
  const byNumber = [...numbers].map((number) => `/conversations/${number}/messages?limit=5`)
  const ofContacts = CHATS.map((chat) => `/contacts/${contactId(instance, chat)}`)
  return [
    ...lists,
    '/tags',
    '/stats',
    `/stats?instance_id=${instance}`,
    ...ofConversations,
    ...byNumber,
    ...ofContacts,
  ]
}

/** A time after everything that was recorded so far, and before what comes. */
const moment = async () => {
  const at = new Date().toISOString()
  await vi.waitFor(() => expect(new Date().toISOString() > at).toBe(true), { interval: 1 })
  return at
}

/** Asks everything now, while nothing happens. */
const look = async (shop: Shop, numbers: Set<number>): Promise<Moment> => {
  const ask = async () => {
    const { body } = await shop.client.get(`/conversations?per_page=${SHOWN}`)
    for (const { number } of body.data) numbers.add(number)
    const answers = new Map<string, Pick<Answer<Json>, 'status' | 'body'>>()
    for (const path of pathsOf(shop, numbers)) {
      const { status, body } = await shop.client.get(path)
      answers.set(path, { status, body })
    }
    return answers
  }
  // A picture that was asked for may come in the middle of it.
  const seen = await vi.waitFor(() => storingNothing(app, ask), PATIENCE)
  return { at: await moment(), answers: seen }
}

const askAsOf = (client: Client, path: string, at: string) =>
  client.get(`${path}${path.includes('?') ? '&' : '?'}as_of=${at}`)

const expectSameAs = async (shop: Shop, { at, answers }: Moment) => {
  for (const [path, then] of answers) {
    const { status, body } = await askAsOf(shop.client, path, at)
    const { as_of, ...rest } = body
    expect({ path, at, status, body: rest }).toEqual({ path, at, ...then })
    if (status === 200) expect(as_of).toBe(at)
  }
}

describe('an answer as of a time', () => {
  it.each([1, 2])(
    'is the one that was given then, whatever came later (life %i)',
    async (seed) => {
      // What is deleted can be read as before, as long as it is not erased.
      vi.spyOn(app.keys, 'destroy').mockResolvedValue()
      onTestFinished(() => void vi.restoreAllMocks())
      const shops = await Promise.all([openShop(`one-${seed}`), openShop(`other-${seed}`)])
      const lives = shops.map((shop, n) => createLife(app, shop, seed * 10 + n))
      const moments: [Shop, Moment][] = []
      const numbers = new Set<number>()
      for (let n = 0; n < 4; n++) {
        for (let steps = 0; steps < 30; steps++) for (const life of lives) await life.step()
        const shop = shops[n % 2]
        if (shop) moments.push([shop, await look(shop, numbers)])
      }
      for (const life of lives) await life.end()
      const statuses = new Set(
        moments.flatMap(([, { answers }]) => [...answers.values()].map(({ status }) => status)),
      )
      expect([...statuses].toSorted()).toEqual([200, 404])
      for (const [shop, moment] of moments) await expectSameAs(shop, moment)
      expect(app.faults).toEqual([])
    },
    120_000,
  )
})

describe('around a conversation', () => {
  let shop: Awaited<ReturnType<typeof openShop>>
  let other: Client
  let before: string
  let then: string
  const john = '5511900000001@s.whatsapp.net'
  const say = (words: string) =>
    shop.listener.message({
      ...{
        whatsappId: `${words} ${shop.instance}`,
        chat: john,
        sender: john,
        senderName: 'John',
        fromMe: false,
      },
      ...{ content: { kind: 'text', text: words }, at: new Date().toISOString() },
    })
  const here = () => `/conversations/${conversationId(shop.instance, john)}`
  const wordsAsOf = async (at: string): Promise<Json> => {
    const { status, body } = await shop.client.get(`${here()}/messages?as_of=${at}`)
    return status === 200 ? body.data.messages.map((message: Json) => message.message_body) : status
  }
  beforeAll(async () => {
    shop = await openShop('around')
    other = (await openShop('stranger')).client
    before = await moment()
    await say('one')
    await say('two')
    // Who wrote is learned a moment later.
    await eventually(async () =>
      expect(await app.store.readStream(`contact-${contactId(shop.instance, john)}`)).not.toEqual([]),
    )
    then = await moment()
    await say('three')
  })

  it('there is none before it began; at the last time, it is as it is now', async () => {
    expect(await wordsAsOf(before)).toBe(404)
    expect(await wordsAsOf(then)).toEqual(['one', 'two'])
    expect(await wordsAsOf(await moment())).toEqual(['one', 'two', 'three'])
  })

  it('a time zone is understood, and the answer says the time in UTC', async () => {
    const local = `${new Date(Date.parse(then) - 3 * 3_600_000).toISOString().replace('Z', '')}-03:00`
    const { status, body } = await shop.client.get(`${here()}?as_of=${local}`)
    expect({ status, as_of: body.as_of }).toEqual({ status: 200, as_of: then })
    expect((await shop.client.get(here())).body).not.toHaveProperty('as_of')
  })

  it.each(['', 'tomorrow', '2025-01-15', '1', '9999-01-01T00:00:00Z', '2025-02-30T00:00:00Z'])(
    'as of %s is refused',
    async (at) => {
      const { status, body } = await shop.client.get(`${here()}?as_of=${at}`)
      expect(status).toBe(422)
      expect(body.error.details).toHaveProperty('as_of')
    },
  )

  it('what cannot be asked as of a time says so, and does not answer as of now', async () => {
    const { status, body } = await shop.client.get(`/instances/${shop.instance}?as_of=${then}`)
    expect(status).toBe(422)
    expect(body.error.details).toHaveProperty('as_of')
  })

  it('another account sees nothing of it, as of no time', async () => {
    for (const path of [here(), `${here()}/messages`]) {
      expect((await other.get(`${path}?as_of=${then}`)).status).toBe(404)
    }
    for (const path of ['/conversations', '/contacts']) {
      const { status, body } = await other.get(`${path}?as_of=${then}`)
      expect({ status, data: body.data }).toEqual({ status: 200, data: [] })
    }
  })

  it('the token of another instance sees nothing of it, either', async () => {
    const { body } = await shop.client.post('/instances', { name: 'second', provider: 'sandbox' })
    const bot = await instanceClient(shop.client, body.data.instance.uuid)
    const at = await moment()
    expect((await bot.get(`${here()}?as_of=${at}`)).status).toBe(404)
    expect((await bot.get(`/contacts?as_of=${at}`)).body.data).toEqual([])
    expect((await bot.get(`/stats?as_of=${at}`)).body.data.rows).toEqual([])
  })

  it('answers of then and of now do not mix, however many are asked for at once', async () => {
    const asked = Array.from({ length: 60 }, (_, n) =>
      n % 6 === 0 ? wordsAsOf(then) : shop.client.get(`${here()}/messages`),
    )
    const answers: Json[] = await Promise.all(asked)
    for (const [n, answer] of answers.entries())
      if (n % 6 === 0) expect([['one', 'two'], 503]).toContainEqual(answer)
      else expect(answer.body.data.messages).toHaveLength(3)
    expect(await wordsAsOf(then)).toEqual(['one', 'two'])
  })

  it('the command line shows it as it was, for people and for programs', async () => {
    const tag = await shop.client.post('/tags', { name: 'VIP', color: '#ef4444' })
    const tagId = tag.body.data.tag.id
    await shop.client.put(`${here()}/tags`, { tag_ids: [tagId] })
    const tagged = await moment()
    await shop.client.put(`${here()}/tags`, { tag_ids: [] })
    await app.readModels.reached(await app.store.head(), 10_000, 'auditEvents')
    const show = async (values: Parameters<typeof asOfRequest>[0]): Promise<string> => {
      const said: string[] = []
      const [out, progress] = [said, []].map((lines: string[]) => ({
        write: (text: string) => lines.push(text),
      }))
      const request = asOfRequest(values)
      if (!request || !out || !progress) throw new Error('Nothing is asked')
      await showAsOf(app, { out, progress }, request, undefined, new AbortController().signal)
      return said.join('')
    }
    const conversation = conversationId(shop.instance, john)
    const text = await show({ 'as-of': then, conversation })
    expect(text).toMatch(/with +John, 5511900000001\n/)
    expect(text).toMatch(/← John: one {2}\[received\]\n.*← John: two {2}\[received\]\n$/)
    expect(text).not.toMatch(/three|VIP/)
    const json: Json = JSON.parse(await show({ 'as-of': tagged, conversation, as: 'json' }))
    expect(json).toMatchObject({ as_of: tagged, id: conversation, tags: [{ name: 'VIP' }], unread_count: 3 })
    expect(await show({ 'as-of': tagged, tag: tagId })).toMatch(/name +VIP\n[^]*carried by +1 conversation/)
    const contact = contactId(shop.instance, john)
    expect(await show({ 'as-of': then, contact })).toMatch(/push name +John\n/)
    await expect(show({ 'as-of': before, conversation })).rejects.toThrow(/There was no conversation/)
    await expect(show({ 'as-of': then, conversation: shop.instance })).rejects.toThrow(/There is no/)
    for (const wrong of [
      { 'as-of': 'soon', conversation },
      { 'as-of': then },
      { 'as-of': then, tag: '1', contact },
      { tag: '1' },
    ])
      expect(() => asOfRequest(wrong)).toThrow(WrongUsage)
  })

  it('leaves nothing in the database, also when the client goes away', async () => {
    const leaving = Array.from({ length: 10 }, async (_, n) => {
      const gone = AbortSignal.timeout(1 + n * 3)
      const headers = { authorization: shop.client.authorization }
      await fetch(`${app.url}${here()}/messages?as_of=${then}`, { headers, signal: gone }).catch(() => {})
    })
    await Promise.all(leaving)
    expect(await wordsAsOf(then)).toEqual(['one', 'two'])
    await eventually(async () => {
      const { rows } = await app.pool.query(
        `select (select count(*)::integer from pg_class where relnamespace <> 'public'::regnamespace
                 and relpersistence = 't' and relkind = 'r') as tables,
                (select count(*)::integer from pg_stat_activity
                 where datname = current_database() and state like 'idle in transaction%') as open`,
      )
      expect(rows).toEqual([{ tables: 0, open: 0 }])
    })
    expect(app.faults).toEqual([])
  })
})

describe('what was erased', () => {
  it('is shown as it can still be read: that it was, but not what', async () => {
    const shop = await openShop('erased')
    const [john, mary] = ['5511900000001@s.whatsapp.net', '5511900000002@s.whatsapp.net']
    const { instance, listener, client } = shop
    const at = () => new Date().toISOString()
    const said = { fromMe: false, chat: john, sender: john, senderName: 'John', at: at() }
    const content: Content = { kind: 'text', text: 'a secret @5511900000002', mentions: [mary] }
    await listener.message({ ...said, whatsappId: 'M1', content })
    await listener.message({
      ...said,
      whatsappId: 'M2',
      content: { kind: 'location', latitude: 1, longitude: 2 },
    })
    const reacted = { ...said, targetWhatsappId: 'M1', sender: mary, senderName: 'Mary', emoji: '👍' }
    await listener.reaction(reacted)
    const contact = await client.post('/contacts', {
      instance_id: instance,
      phone_number: john,
      name: 'John Doe',
    })
    const then = await moment()
    const here = `/conversations/${conversationId(instance, john)}`
    const about = [here, `${here}/messages`, `/chat${here}/messages`, `/contacts/${contact.body.data.id}`]
    const asked = [...about, '/conversations', '/contacts']
    const askAll = async () => {
      const answers = await Promise.all(asked.map((path) => client.get(`${path}?as_of=${then}`)))
      expect(answers.map(({ status }) => status)).toEqual(asked.map(() => 200))
      return answers.map(({ body }) => JSON.stringify(body.data))
    }
    for (const text of await askAll()) expect(text).toMatch(/John|a secret/)
    expect((await client.delete(here)).status).toBe(200)
    expect((await client.delete(`/contacts/${contact.body.data.id}`)).status).toBe(200)
    await eventually(async () => {
      const answers = await askAll()
      expect(answers.join()).not.toMatch(/John|Mary|a secret|55119000/)
    })
    const { body } = await client.get(`/chat${here}/messages?as_of=${then}`)
    expect(body.data.messages).toMatchObject([
      { message_body: '[erased]', status: 'received', reactions: [{ emoji: '[erased]' }] },
      { location: { latitude: 0, longitude: 0 } },
    ])
    expect(app.faults).toEqual([])
  })
})

describe('a question that needs too many events', () => {
  it('is refused, with words that say what can be done', async () => {
    const small = await startToldApp({ AS_OF_MAX_EVENTS: '12' })
    onTestFinished(small.stop)
    const { instance, listener } = await small.pair()
    const chat = '5511900000001@s.whatsapp.net'
    const say = (n: number) =>
      listener.message({
        ...{ whatsappId: `M${n}`, chat, sender: chat, fromMe: false, at: new Date().toISOString() },
        content: { kind: 'text', text: `words ${n}` },
      })
    const here = `/conversations/${conversationId(instance, chat)}/messages`
    for (let n = 0; n < 3; n++) await say(n)
    const few = await moment()
    for (let n = 3; n < 12; n++) await say(n)
    const many = await moment()
    expect((await small.admin.get(`${here}?as_of=${few}`)).status).toBe(200)
    for (const path of [here, '/conversations', '/stats']) {
      const { status, body } = await small.admin.get(`${path}?as_of=${many}`)
      expect(status, path).toBe(422)
      expect(body.error.details.as_of[0], path).toMatch(
        /^needs more than 12 events of the log: ask for .*audit --as-of/,
      )
    }
    expect((await small.admin.get(`/contacts?as_of=${many}`)).status).toBe(200)
    expect(small.faults).toEqual([])
  })

  it('is not asked for a number that nobody has, or somebody else', async () => {
    const small = await startToldApp({ AS_OF_MAX_EVENTS: '12' })
    onTestFinished(small.stop)
    const other = await addTenant(small, 'other')
    const tell = async (of: { instance: string; listener: typeof listener }, n: number) => {
      const chat = `55119000001${String(n).padStart(2, '0')}@s.whatsapp.net`
      const content = { kind: 'text', text: 'words' } as const
      const at = new Date().toISOString()
      await of.listener.message({ whatsappId: `M${n}`, chat, sender: chat, fromMe: false, at, content })
    }
    const { instance, listener } = await small.pair()
    await tell(await small.pair(other.client), 0)
    for (let n = 1; n <= 13; n++) await tell({ instance, listener }, n)
    const [theirs] = (await other.client.get('/conversations')).body.data
    const many = await moment()
    for (const number of [theirs.number, 999_999])
      for (const path of [`/conversations/${number}`, `/conversations/${number}/messages`])
        expect((await small.admin.get(`${path}?as_of=${many}`)).status, path).toBe(404)
    expect((await small.admin.get(`/contacts/999999?as_of=${many}`)).status).toBe(404)
    const { number } = (await small.admin.get('/conversations')).body.data[0]
    expect((await small.admin.get(`/conversations/${number}?as_of=${many}`)).status).toBe(200)
  })
})
