import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Json } from '../support/client.ts'
import {
  addTenant,
  instanceClient,
  isoSecondsText,
  storingNothing,
  userClient,
  uuidText,
  type App,
} from './world.ts'

let app: App
let instance: string
let conversations: string[]
let made = 0
beforeAll(async () => {
  app = await startApp()
  instance = await createConnectedInstance(app.admin)
  for (const n of [1, 2, 3])
    await app.admin.post(
      `/webhooks/instance/${instance}/incoming`,
      incomingPayload(`M${n}`, `551190000000${n}`),
    )
  conversations = (await app.admin.get('/conversations')).body.data.map(({ id }: Json) => id).toReversed()
})
afterAll(() => app.stop())

const create = async (name = `Tag ${++made}`, color = '#F59E0B'): Promise<Json> =>
  (await app.admin.post('/tags', { name, color })).body.data.tag
const setTags = (n: number, ...tags: Json[]) =>
  app.admin.put(`/conversations/${conversations[n]}/tags`, { tag_ids: tags.map(({ id }) => id) })
const listed = async (query: string) =>
  (await app.admin.get(`/conversations?${query}`)).body.data.map(({ id }: Json) => conversations.indexOf(id))

describe('POST /tags', () => {
  it('answers as the reference shows, the colour in lower case', async () => {
    const { status, body } = await app.admin.post('/tags', { name: ' Important ', color: '#EF4444' })
    expect(status).toBe(201)
    expect(body).toEqual({
      success: true,
      message: 'Tag created successfully',
      data: {
        tag: {
          id: uuidText,
          name: 'Important',
          color: '#ef4444',
          conversations_count: 0,
          created_at: isoSecondsText,
          updated_at: isoSecondsText,
        },
      },
    })
  })
  it.each(['important', 'IMPORTANT', 'Ímportant'])('refuses the name %s when it is taken', async (name) => {
    const { status, body } = await storingNothing(app, () =>
      app.admin.post('/tags', { name, color: '#000000' }),
    )
    expect(status).toBe(422)
    expect(body.error.details).toEqual({ name: ['is taken by another tag'] })
  })
  it('lets one of many at the same time have a name', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => app.admin.post('/tags', { name: 'Wanted', color: '#000000' })),
    )
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, ...Array(9).fill(422)])
  })
  it('lets another account have the same name', async () => {
    const { client } = await addTenant(app, 'other')
    expect((await client.post('/tags', { name: 'Important', color: '#000000' })).status).toBe(201)
  })
  it.each(['red', '#fff', '#12345g', ''])('refuses the colour "%s"', async (color) => {
    const { status, body } = await app.admin.post('/tags', { name: 'Coloured', color })
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual(['color'])
  })
})

describe('tags of a conversation', () => {
  it('are set as a whole and shown by name', async () => {
    const [b, a] = [await create('B tag'), await create('A tag')]
    const { body } = await setTags(0, b, a)
    expect(body).toEqual({
      success: true,
      message: 'Conversation tags updated',
      data: { tags: [a, b].map(({ id, name, color }) => ({ id, name, color })) },
    })
    expect((await setTags(0, b)).body.data.tags).toHaveLength(1)
    const [shown] = (await app.admin.get(`/conversations?include_tags=true&tag_id=${b.id}`)).body.data
    expect(shown).toMatchObject({ id: conversations[0], tags: [{ id: b.id }] })
    expect((await setTags(0)).body.data.tags).toEqual([])
  })
  it('can only be tags of the account', async () => {
    const { client } = await addTenant(app, 'third')
    const foreign = (await client.post('/tags', { name: 'theirs', color: '#000000' })).body.data.tag
    const { status, body } = await storingNothing(app, () => setTags(0, foreign))
    expect(status).toBe(422)
    expect(body.error.details).toEqual({ 'tag_ids.0': ['is not a tag of this account'] })
  })
  it('filter the list: one, any of several with commas or repeated, and none', async () => {
    const [a, b] = [await create(), await create()]
    await setTags(0, a)
    await setTags(1, b)
    expect(await listed(`tag_id=${a.id}`)).toEqual([0])
    expect((await listed(`tag_ids=${a.id},${b.id}`)).toSorted()).toEqual([0, 1])
    expect((await listed(`tag_ids[]=${a.id}&tag_ids[]=${b.id}`)).toSorted()).toEqual([0, 1])
    expect((await listed(`tag_ids=${a.id}&tag_ids=${b.id}`)).toSorted()).toEqual([0, 1])
    expect(await listed('untagged=true')).toEqual([2])
    expect(await listed('untagged=false')).toHaveLength(3)
  })
  it('are counted', async () => {
    const tag = await create()
    await setTags(1, tag)
    await setTags(2, tag)
    expect((await app.admin.get(`/tags/${tag.id}`)).body.data.tag.conversations_count).toBe(2)
    const all = (await app.admin.get('/tags')).body.data.tags
    expect(all.find(({ id }: Json) => id === tag.id)).toMatchObject({ conversations_count: 2 })
  })
})

describe('PATCH /tags/{id}', () => {
  it('changes what is given and shows it on conversations', async () => {
    const tag = await create()
    await setTags(0, tag)
    const { body } = await app.admin.call('PATCH', `/tags/${tag.id}`, { name: 'Very Important' })
    expect(body.data.tag).toMatchObject({ name: 'Very Important', color: '#f59e0b', conversations_count: 1 })
    const [shown] = (await app.admin.get(`/chat/conversations?tag_id=${tag.id}`)).body.data
    expect(shown.tags).toEqual([{ id: tag.id, name: 'Very Important', color: '#f59e0b' }])
  })
  it('keeps its own name, but takes no other’s', async () => {
    const [tag, other] = [await create(), await create()]
    const rename = (name: string) => app.admin.call('PATCH', `/tags/${tag.id}`, { name })
    expect((await rename(tag.name.toUpperCase())).status).toBe(200)
    expect((await rename(other.name)).status).toBe(422)
  })
})

describe('DELETE /tags/{id}', () => {
  it('takes the tag from every conversation, and frees its name', async () => {
    const tag = await create('Passing')
    await setTags(0, tag)
    await setTags(1, tag)
    const { body } = await app.admin.delete(`/tags/${tag.id}`)
    expect(body).toEqual({ success: true, message: 'Tag deleted successfully' })
    expect((await app.admin.get(`/tags/${tag.id}`)).status).toBe(404)
    expect(await listed(`tag_id=${tag.id}`)).toEqual([])
    for (const n of [0, 1])
      expect((await app.admin.get(`/conversations/${conversations[n]}`)).body.data.tags).toEqual([])
    expect((await app.admin.post('/tags', { name: 'passing', color: '#000000' })).status).toBe(201)
  })
})

describe('who may', () => {
  it('viewers look, agents change, and a token of an instance only tags its conversations', async () => {
    const viewer = await userClient(app, 'viewer')
    expect((await viewer.get('/tags')).status).toBe(200)
    expect((await viewer.post('/tags', { name: 'x', color: '#000000' })).status).toBe(403)
    const agent = await userClient(app, 'agent')
    const { status, body } = await agent.post('/tags', { name: 'By the agent', color: '#000000' })
    expect(status).toBe(201)
    const bot = await instanceClient(app.admin, instance)
    expect((await bot.get('/tags')).status).toBe(403)
    const tag_ids = [body.data.tag.id]
    expect((await bot.put(`/conversations/${conversations[0]}/tags`, { tag_ids })).status).toBe(200)
  })
})
