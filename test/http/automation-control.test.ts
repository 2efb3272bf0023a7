import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Client, type Json } from '../support/client.ts'
import { instanceClient, storingNothing, userClient, type App } from './world.ts'

let app: App
let bot: string
let plain: string
let people = 0
const hears = { type: 'keyword', words: ['never said'], match: 'whole' }
beforeAll(async () => {
  app = await startApp()
  plain = await createConnectedInstance(app.admin, 'without automation')
  bot = await createConnectedInstance(app.admin, 'with automation')
  const definition = { trigger: hears, steps: [{ type: 'reply', text: 'Never answered' }] }
  await app.admin.post(`/instances/${bot}/automations`, {
    name: 'Bot',
    kind: 'flow',
    enabled: true,
    definition,
  })
})
afterAll(() => app.stop())

/** A conversation that somebody new began. */
const converse = async (instance = bot) => {
  const from = `55119100${String(++people).padStart(5, '0')}`
  await app.admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload(`M-${from}`, from))
  const [{ id, number }] = (await app.admin.get(`/conversations?search=${from}`)).body.data
  return { id: String(id), number: Number(number), from }
}
const statusOf = async (id: string): Promise<Json> =>
  (await app.admin.get(`/conversations/${id}/automation`)).body.data
const act = (id: string, action: string, body: object = {}, client = app.admin) =>
  client.post(`/conversations/${id}/${action}`, body)
const send = (recipient: string, client = app.admin, instance = bot) =>
  client.post('/send-message', { instance_id: instance, recipient, message: 'By hand' })
const bulk = async (action: 'pause' | 'resume', ids: (string | number)[], client: Client = app.admin) =>
  client.post(`/api/v1/conversations/automation/bulk-${action}`, {
    conversation_ids: ids.map(String),
    ...(action === 'pause' && { reason: 'Bulk pause for maintenance' }),
  })

describe('while automation answers', () => {
  it('nobody sends by hand, whichever call and token: the answer names the conversation', async () => {
    const { from, number } = await converse()
    const sk = await instanceClient(app.admin, bot)
    const chat = { instance_id: bot, recipient: from, message: 'By hand' }
    for (const call of [() => send(from), () => send(from, sk), () => app.admin.post('/chat/send', chat)]) {
      const { status, body } = await storingNothing(app, call)
      expect(status).toBe(403)
      expect(body.error).toMatchObject({ code: 'AUTOMATION_ACTIVE', conversation_id: number })
    }
  })
  it('a reaction may go out', async () => {
    const { from } = await converse()
    const reaction = { instance_id: bot, to: from, messageId: `M-${from}`, emoji: '👍' }
    expect((await app.admin.post('/send-reaction', reaction)).status).toBe(200)
  })
  it('only conversations that others began have it: whom we write to first, we go on writing to', async () => {
    const to = '5511955555555'
    expect((await send(to)).status).toBe(200)
    await app.admin.post(`/webhooks/instance/${bot}/incoming`, incomingPayload('ANSWER', to))
    expect((await send(to)).status).toBe(200)
  })
  it('there is nothing of it at an instance without automation', async () => {
    const { id, from } = await converse(plain)
    expect(await statusOf(id)).toMatchObject({
      automation_status: 'inactive',
      is_automation_active: false,
      can_send_manual_message: true,
    })
    expect((await send(from, app.admin, plain)).status).toBe(200)
  })
})

describe('taking over', () => {
  it('names who did it, when and why, and opens sending', async () => {
    const { id, from } = await converse()
    const agent = await userClient(app, 'agent')
    await act(id, 'automation/pause', { reason: 'VIP client' }, agent)
    expect(await statusOf(id)).toMatchObject({
      automation_status: 'paused',
      is_automation_active: false,
      can_send_manual_message: true,
      paused_by: 'The agent',
      pause_reason: 'VIP client',
    })
    expect((await send(from)).status).toBe(200)
  })
  it('twice keeps who was first', async () => {
    const { id } = await converse()
    await act(id, 'automation/pause', { reason: 'first' })
    const { body } = await storingNothing(app, () => act(id, 'automation/pause', { reason: 'second' }))
    expect(body.data).toMatchObject({ automation_status: 'paused', paused_by: 'Administrator' })
    expect((await statusOf(id)).pause_reason).toBe('first')
  })
})

describe('giving back', () => {
  it('needs the archive, and takes the conversation out of it', async () => {
    const { id, from } = await converse()
    await act(id, 'automation/pause')
    const { status, body } = await storingNothing(app, () => act(id, 'automation/resume'))
    expect(status).toBe(422)
    expect(body.error.code).toBe('CONVERSATION_NOT_ARCHIVED')

    await act(id, 'archive')
    expect((await act(id, 'automation/resume')).body.data).toEqual({ automation_status: 'active' })
    expect((await app.admin.get(`/conversations/${id}`)).body.data).toMatchObject({
      is_archived: false,
      automation_status: 'active',
      can_send_manual_message: false,
      automation_paused_at: null,
    })
    expect((await send(from)).status).toBe(403)
  })
})

describe('many at once', () => {
  it('pauses those that can be, and says of every other why not', async () => {
    const [one, two, paused, without] = [
      await converse(),
      await converse(),
      await converse(),
      await converse(plain),
    ]
    await act(paused.id, 'automation/pause')
    const unknown = '0190d0a0-0000-7000-8000-00000000000a'
    const { status, body } = await bulk('pause', [one.id, two.number, one.id, paused.id, without.id, unknown])
    expect(status).toBe(200)
    expect(body).toMatchObject({
      success: true,
      message: '2 conversations paused',
      data: { paused: 2, skipped: 2, errors: 1 },
    })
    expect(body.data.details).toEqual([
      { conversation_id: paused.id, result: 'skipped', reason: 'is paused already, or has no automation' },
      { conversation_id: without.id, result: 'skipped', reason: 'is paused already, or has no automation' },
      { conversation_id: unknown, result: 'error', code: 'NOT_FOUND', reason: 'Conversation not found.' },
    ])
    expect(await statusOf(two.id)).toMatchObject({ pause_reason: 'Bulk pause for maintenance' })
  })
  it('resumes those that are archived, and names those that are not', async () => {
    const [closed, open, active] = [await converse(), await converse(), await converse()]
    for (const { id } of [closed, open]) await act(id, 'automation/pause')
    await act(closed.id, 'archive')
    const { body } = await bulk('resume', [closed.id, open.id, active.id])
    expect(body).toMatchObject({
      message: '1 automations resumed',
      data: { resumed: 1, skipped: 1, errors: 1 },
    })
    expect(body.data.details).toContainEqual(
      expect.objectContaining({ conversation_id: open.id, code: 'CONVERSATION_NOT_ARCHIVED' }),
    )
    expect(await statusOf(closed.id)).toMatchObject({ automation_status: 'active' })
  })
  it('takes a hundred and no more', async () => {
    const ids = Array.from({ length: 101 }, (_, n) => n + 1000)
    expect((await bulk('pause', ids.slice(1))).body.data.errors).toBe(100)
    const { status, body } = await bulk('pause', ids)
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual(['conversation_ids'])
  })
  it('reaches only what the token may see', async () => {
    const { id } = await converse()
    const neighbour = await instanceClient(app.admin, plain)
    const { body } = await storingNothing(app, () => bulk('pause', [id], neighbour))
    expect(body.data).toMatchObject({ paused: 0, errors: 1 })
  })
})
