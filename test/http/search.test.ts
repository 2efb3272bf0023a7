import { Kysely, PostgresDialect, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { firstTenantId } from '../../src/domain/ids.ts'
import { edit, takeBack } from '../../src/domain/message-changes.ts'
import { Message } from '../../src/domain/message.ts'
import { searchTerms } from '../../src/domain/words.ts'
import type { Database } from '../../src/projections/database.ts'
import { queryOf, rankedMatches, RANKED_MAX } from '../../src/projections/message-search.ts'
import { createTransact } from '../../src/write/transact.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Client, type Json } from '../support/client.ts'
import { startFileServer } from '../support/files.ts'
import { addTenant, instanceClient, userClient, type App } from './world.ts'

let app: App
let instance: string
let files: Awaited<ReturnType<typeof startFileServer>>
beforeAll(async () => {
  app = await startApp()
  files = await startFileServer()
  instance = await createConnectedInstance(app.admin)
})
afterAll(() => Promise.all([app.stop(), files.close()]))

const AT = '2025-01-15T12:00:00.000Z'
const context = { tenant: firstTenantId, actor: { kind: 'gateway' }, correlation: 'test' } as const
const transact = () => createTransact(app.store).transact

let count = 0
/** Answers the UUID of the message. */
const say = async (
  text: string,
  { from = '5511999999999', to = instance, client = app.admin, at = 1_705_312_200 } = {},
): Promise<string> => {
  const payload = { ...incomingPayload(`SEARCH-${++count}`, from, text), messageTimestamp: at }
  const { body } = await client.post(`/webhooks/instance/${to}/incoming`, payload)
  return body.data.message_id
}
const search = async (q: string, more = '', client: Client = app.admin) => {
  const { status, body } = await client.get(`/messages/search?q=${encodeURIComponent(q)}${more}`)
  expect(status, JSON.stringify(body)).toBe(200)
  return { data: body.data as Json[], total: body.meta.pagination.total as number }
}
const texts = async (...query: Parameters<typeof search>) =>
  (await search(...query)).data.map(({ message_body }) => message_body as string)

describe('GET /messages/search', () => {
  it('finds what was just written, without accents and letter case, and shows where', async () => {
    const id = await say('Olá! O PAGAMENTO não <b>chegou</b> em São João.')
    const { data } = await search('nao chegou sao joao pag')
    const [conversation] = (await app.admin.get('/conversations')).body.data
    expect(data).toEqual([
      expect.objectContaining({
        unique_id: id,
        instance_id: instance,
        conversation_id: conversation.id,
        conversation_number: conversation.number,
        direction: 'incoming',
        message_body: 'Olá! O PAGAMENTO não <b>chegou</b> em São João.',
        snippet:
          'Olá! O <mark>PAGAMENTO</mark> <mark>não</mark> &lt;b&gt;<mark>chegou</mark>&lt;/b&gt; em <mark>São</mark> <mark>João</mark>.',
      }),
    ])
  })
  it('shows of a long text what stands around', async () => {
    await say(`${'antes '.repeat(100)}agulha ${'depois '.repeat(100)}`)
    const [found] = (await search('agulha')).data
    expect(found.snippet).toMatch(/^… (antes )+<mark>agulha<\/mark> (depois )+…$/)
    expect(found.snippet.length).toBeLessThan(300)
  })
  it('finds what went out, and captions', async () => {
    const to = { instance_id: instance, recipient: '5511999999999' }
    const text = await app.admin.post('/send-message', { ...to, message: 'saída prometida' })
    expect(text.status).toBeLessThan(300)
    const file = { media_url: `${files.url}/a.jpg`, media_type: 'image', caption: 'legenda prometida' }
    const media = await app.admin.post('/send-media', { ...to, ...file })
    expect(media.status).toBeLessThan(300)
    expect((await texts('prometida')).toSorted()).toEqual(['legenda prometida', 'saída prometida'])
  })
  it('does not find reactions', async () => {
    const id = await say('reagida')
    await app.admin.post('/send-reaction', {
      instance_id: instance,
      to: '5511999999999',
      messageId: id,
      emoji: 'joinha',
    })
    expect(await texts('joinha')).toEqual([])
    expect(await texts('reagida')).toEqual(['reagida'])
  })
  it('gives those first whose words stand closer together, and of equals the newest', async () => {
    await say('nota de ontem sobre a coisa fiscal', { at: 1_705_312_203 })
    await say('nota fiscal velha', { at: 1_705_312_201 })
    await say('nota fiscal nova', { at: 1_705_312_202 })
    expect(await texts('nota fiscal')).toEqual([
      'nota fiscal nova',
      'nota fiscal velha',
      'nota de ontem sobre a coisa fiscal',
    ])
  })
  it('goes page by page', async () => {
    for (const n of [1, 2, 3, 4, 5]) await say(`folha ${n}`, { at: 1_705_312_200 + n })
    expect(await texts('folha', '&per_page=2&page=2')).toEqual(['folha 3', 'folha 2'])
    expect(await search('folha', '&per_page=2&page=9')).toEqual({ data: [], total: 5 })
  })
  it('narrows to a conversation, an instance, a time', async () => {
    const other = await createConnectedInstance(app.admin, 'other')
    await say('filtro um', { from: '5511900000001', at: 1_705_312_201 })
    await say('filtro dois', { from: '5511900000002', at: 1_705_312_202 })
    await say('filtro tres', { to: other, at: 1_705_312_203 })
    const [conversation] = (await app.admin.get('/conversations?search=5511900000001')).body.data
    for (const ref of [conversation.id, conversation.number])
      expect(await texts('filtro', `&conversation_id=${ref}`)).toEqual(['filtro um'])
    expect(await texts('filtro', `&instance_id=${other}`)).toEqual(['filtro tres'])
    expect(await texts('filtro', '&from=2024-01-15T09:50:02Z&to=2024-01-15T09:50:02Z')).toEqual([
      'filtro dois',
    ])
    expect(await texts('filtro')).toEqual(['filtro tres', 'filtro dois', 'filtro um'])
  })
  it.each(['"', '-', "' & | !", ':*', '<->', '-so -isso', '%00', '👍', '\\'])(
    'takes %s for what it is',
    async (q) => {
      expect(await search(q)).toEqual({ data: [], total: 0 })
    },
  )
  it.each([
    ['', 'q'],
    ['?q=', 'q'],
    [`?q=${'x'.repeat(201)}`, 'q'],
    ['?q=x&from=yesterday', 'from'],
    ['?q=x&per_page=101', 'per_page'],
  ])('with the query %s says what is wrong', async (query, field) => {
    const { status, body } = await app.admin.get(`/messages/search${query}`)
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual([field])
  })
})

describe('what changes', () => {
  it('is found by its new text only, once it was edited', async () => {
    const id = await say('texto original')
    await transact()(Message, id, edit('texto corrigido', false, AT), context)
    expect(await texts('original')).toEqual([])
    expect(await texts('corrigido')).toEqual(['texto corrigido'])
  })
  it('is not found any more, once it was taken back', async () => {
    const id = await say('texto arrependido')
    expect(await texts('arrependido')).toHaveLength(1)
    await transact()(Message, id, takeBack(false, AT), context)
    expect(await texts('arrependido')).toEqual([])
  })
  it('is not found any more, once its conversation was deleted; what comes after is', async () => {
    const from = '5511900000077'
    await say('conversa apagada', { from })
    await say('conversa que fica')
    const [conversation] = (await app.admin.get(`/conversations?search=${from}`)).body.data
    await app.admin.delete(`/conversations/${conversation.id}`)
    expect(await texts('conversa')).toEqual(['conversa que fica'])
    await say('conversa nova', { from })
    expect((await texts('conversa')).toSorted()).toEqual(['conversa nova', 'conversa que fica'])
  })
})

describe('a search', () => {
  it('finds nothing of another tenant, nor the token of an instance of another instance', async () => {
    await say('segredo da casa')
    const { client: stranger } = await addTenant(app, 'searcher')
    const theirs = await createConnectedInstance(stranger)
    await say('segredo alheio', { to: theirs, client: stranger })
    const neighbour = await createConnectedInstance(app.admin, 'neighbour')
    await say('segredo vizinho', { to: neighbour })
    const bot = await instanceClient(app.admin, neighbour)
    expect((await texts('segredo')).toSorted()).toEqual(['segredo da casa', 'segredo vizinho'])
    expect(await texts('segredo', '', stranger)).toEqual(['segredo alheio'])
    expect(await texts('segredo', '', bot)).toEqual(['segredo vizinho'])
    expect((await texts('segredo', '', await userClient(app, 'viewer'))).length).toBe(2)
    const [conversation] = (await app.admin.get(`/conversations?instance_id=${instance}`)).body.data
    for (const client of [stranger, bot])
      for (const more of [`conversation_id=${conversation.id}`, `instance_id=${instance}`])
        expect((await client.get(`/messages/search?q=segredo&${more}`)).status).toBe(404)
  })
})

describe('with many messages', () => {
  const MANY = 20_000
  const TENANT = '0190d0a0-0000-7000-8000-00000000beef'
  const explain = async (q: string) => {
    const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: app.pool }) })
    const terms = searchTerms(q)
    const query = rankedMatches(db, { tenantId: TENANT, terms }, queryOf(terms) ?? '')
    const plan = JSON.stringify(await query.explain('json', sql`analyze`))
    return { plan, found: await query.execute() }
  }
  beforeAll(async () => {
    await app.pool.query(
      `insert into message_search (id, tenant_id, instance_id, conversation_id, number, at, words)
       select gen_random_uuid(), $1, gen_random_uuid(), gen_random_uuid(), n, now() - make_interval(secs => n),
              ('''ola'':1 ''bom'':2 ''dia'':3 ''palavra' || n || ''':4')::tsvector
       from generate_series(1, ${MANY}) n`,
      [TENANT],
    )
    await app.pool.query('vacuum analyze message_search')
  })
  it('a rare word is found by the index of words, within the tenant', async () => {
    const { plan, found } = await explain('ola palavra777')
    expect(found).toHaveLength(11)
    expect(plan).toContain('message_search_tenant_id_instance_id_words_idx')
    expect(plan).not.toContain('Seq Scan on message_search')
  })
  it('a frequent word is looked for from the newest message backwards, and no further than needed', async () => {
    const { plan, found } = await explain('"ola"')
    expect(found).toHaveLength(RANKED_MAX)
    expect(plan).toContain('message_search_tenant_id_at_idx')
    expect(plan).toContain(`"Actual Rows":${RANKED_MAX}`)
  })
})
