import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Json } from '../support/client.ts'
import { instanceClient, storingNothing, type App } from './world.ts'

let app: App
let instance: string
let people = 0
beforeAll(async () => {
  app = await startApp()
  instance = await createConnectedInstance(app.admin)
})
afterAll(() => app.stop())

const receive = (id: string, from: string, text = `text of ${id}`) =>
  app.admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload(id, from, text))
/** A new conversation with one message. */
const converse = async () => {
  const from = `55119000${String(++people).padStart(5, '0')}`
  await receive(`FIRST-${from}`, from)
  const [row] = (await app.admin.get(`/conversations?search=${from}`)).body.data
  return { id: String(row.id), from, number: Number(row.number) }
}
const idsIn = async (list: string): Promise<string[]> =>
  (await app.admin.get(list)).body.data.map(({ id }: Json) => id)

describe.each(['', '/chat', '/api/v1', '/api/v1/chat'])('the archive under %s/conversations', (prefix) => {
  it('takes a conversation out of the list and answers as the reference shows', async () => {
    const { id } = await converse()
    const { status, body } = await app.admin.post(`${prefix}/conversations/${id}/archive`)
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      message: 'Conversation archived.',
      data: {
        archived_id: id,
        archived_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      },
    })
    expect(await idsIn('/conversations')).not.toContain(id)
    expect(await idsIn('/conversations/archived')).toContain(id)
    expect((await app.admin.get(`/conversations/${id}`)).body.data.is_archived).toBe(true)

    const again = await app.admin.post(`${prefix}/conversations/${id}/archive`)
    expect(again.body).toEqual(body)
  })

  it('gives it back once', async () => {
    const { id } = await converse()
    await app.admin.post(`${prefix}/conversations/${id}/archive`)
    const { body } = await app.admin.delete(`${prefix}/conversations/${id}/archive`)
    expect(body).toEqual({
      success: true,
      message: 'Conversation restored.',
      data: { conversation_id: id, restored: true },
    })
    expect(await idsIn('/conversations')).toContain(id)
    expect(await idsIn('/conversations/archived')).not.toContain(id)
    const again = await storingNothing(app, () => app.admin.delete(`${prefix}/conversations/${id}/archive`))
    expect(again.status).toBe(404)
  })
})

describe('an archived conversation', () => {
  it('stays archived when a message comes, and shows it', async () => {
    const { id, from } = await converse()
    await app.admin.post(`/conversations/${id}/archive`)
    await receive(`LATER-${from}`, from, 'are you there?')
    const { data } = (await app.admin.get(`/conversations/archived?search=${from}`)).body
    expect(data).toMatchObject([{ id, last_message: 'are you there?', unread_count: 2 }])
  })
})

describe('DELETE /conversations/{id}', () => {
  it('takes the conversation and its messages out of everything that can be asked', async () => {
    const { id, from, number } = await converse()
    const [message] = (await app.admin.get(`/conversations/${id}/messages`)).body.data.messages
    const { status, body } = await app.admin.delete(`/conversations/${number}`)
    expect(status).toBe(200)
    expect(body).toEqual({ success: true, message: 'Conversation deleted' })
    expect((await app.admin.get(`/conversations?search=${from}`)).body.data).toEqual([])
    for (const path of ['', '/messages', '/automation'])
      expect((await app.admin.get(`/conversations/${id}${path}`)).status, path).toBe(404)
    expect((await app.admin.delete(`/chat/messages/${message.unique_id}`)).status).toBe(404)
    expect((await app.admin.delete(`/conversations/${id}`)).status).toBe(404)
  })

  it('does not keep the person from writing again: the same number, without what was before', async () => {
    const { id, from, number } = await converse()
    const { tag } = (await app.admin.post('/tags', { name: `T${number}`, color: '#112233' })).body.data
    await app.admin.put(`/conversations/${id}/tags`, { tag_ids: [tag.id] })
    await app.admin.post(`/conversations/${id}/archive`)
    await app.admin.delete(`/conversations/${id}`)
    await receive(`AGAIN-${from}`, from, 'hello again')
    const { data } = (await app.admin.get(`/conversations?search=${from}&include_tags=true`)).body
    expect(data).toMatchObject([{ id, number, unread_count: 1, tags: [], last_message: 'hello again' }])
    const { messages } = (await app.admin.get(`/conversations/${id}/messages`)).body.data
    expect(messages.map(({ message_body }: Json) => message_body)).toEqual(['hello again'])
  })

  it('loses no message that is on its way at the same moment', async () => {
    const { id, from } = await converse()
    const ids = Array.from({ length: 20 }, (_, n) => `RACE-${n}-${from}`)
    const [deleted] = await Promise.all([
      app.admin.delete(`/conversations/${id}`),
      ...ids.map((one) => receive(one, from)),
    ])
    expect(deleted.status).toBe(200)
    await receive(`END-${from}`, from)
    const [row] = (await app.admin.get(`/conversations?search=${from}`)).body.data
    const { messages } = (await app.admin.get(`/conversations/${id}/messages?limit=100`)).body.data
    expect(row.last_message).toBe(`text of END-${from}`)
    expect(row.unread_count).toBe(messages.length)
    const { rows } = await app.pool.query<{ count: number }>(
      `select count(*) from event e, event deleted
       where e.type = 'MessageReceived' and e.data ->> 'conversationId' = $1 and e.position > deleted.position
         and deleted.type = 'ConversationDeleted' and deleted.stream = 'conversation-' || $1`,
      [id],
    )
    expect(messages, 'all that was stored after the deletion').toHaveLength(Number(rows[0]?.count))
  })
})

describe('the token of an instance', () => {
  it('archives and deletes only what is of its instance', async () => {
    const { id } = await converse()
    const bot = await instanceClient(app.admin, await createConnectedInstance(app.admin, 'other'))
    expect((await bot.post(`/conversations/${id}/archive`)).status).toBe(404)
    expect((await bot.delete(`/conversations/${id}`)).status).toBe(404)
    const own = await instanceClient(app.admin, instance)
    expect((await own.post(`/conversations/${id}/archive`)).status).toBe(200)
    expect((await own.delete(`/conversations/${id}`)).status).toBe(200)
  })
})
