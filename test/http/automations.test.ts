import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { firstTenantId, newId } from '../../src/domain/ids.ts'
import { NO_STREAM } from '../../src/ports/event-store.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Json } from '../support/client.ts'
import { toAppend } from '../support/facts.ts'
import { startReceiver, type Received } from '../support/receiver.ts'
import { isoSecondsText, storingNothing, userClient, uuidText, type App } from './world.ts'
import { eventually } from '../support/eventually.ts'

const MARIA = '5511999999999'
const any = { type: 'any' } as const

let app: App
let bot: Awaited<ReturnType<typeof startReceiver>>
let answer: (question: Received) => { status: number; body?: string; delayMs?: number }
let instance: string
beforeAll(async () => {
  app = await startApp()
  bot = await startReceiver((question) => answer(question))
})
afterAll(async () => {
  await app.stop()
  await bot.close()
})
beforeEach(async () => {
  instance = await createConnectedInstance(app.admin)
  answer = () => ({ status: 200 })
})

const flow = (...steps: object[]) => ({ trigger: any, steps })
const reply = (text: string) => ({ type: 'reply', text })
const create = (kind: 'flow' | 'integration', definition: object, fields: object = {}) =>
  app.admin.post(`/instances/${instance}/automations`, { name: 'Bot', kind, definition, ...fields })
const createdFlow = async (...steps: object[]) => (await create('flow', flow(...steps))).body.data
const change = (id: string | number, body: object) => app.admin.put(`/automations/${id}`, body)

let heard = 0
/** Somebody writes to the instance. */
const hear = (text: string, from = MARIA) =>
  app.admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload(`H${++heard}`, from, text))
const send = (recipient = MARIA) =>
  app.admin.post('/send-message', { instance_id: instance, recipient, message: 'by hand' })
const said = async (to = MARIA) => {
  const { body } = await app.admin.get(`/sandbox/instances/${instance}/outbox`)
  return body.data.messages
    .filter((message: Json) => message.to.startsWith(to))
    .map(({ text, kind }: Json) => text ?? kind)
}
const saying = (texts: string[], to = MARIA) =>
  vi.waitFor(async () => expect(await said(to)).toEqual(texts), 5000)
const conversationRef = async (): Promise<Json> =>
  (await app.admin.get(`/conversations?instance_id=${instance}`)).body.data[0]
/** Without what became of messages, which comes in no certain order with the rest. */
const historyOf = async (id: string): Promise<Json[]> =>
  (await app.admin.get(`/conversations/${id}/history`)).body.data.history.filter(
    ({ type }: Json) => !type.startsWith('message.'),
  )

const addTag = async (tenant: string) => {
  const id = newId()
  const event = {
    type: 'TagCreated',
    data: { name: 'VIP', color: '#ff0000', at: new Date().toISOString() },
  } as const
  const position = await app.store.append(`tag-${id}`, NO_STREAM, [toAppend(event, { tenant })])
  await app.readModels.reached(position, 5000, 'tags')
  return id
}

describe('an automation', () => {
  it('is made, listed, shown, changed and deleted, under its UUID and its number', async () => {
    const made = await create('flow', flow(reply('hi')))
    expect(made.status).toBe(201)
    const { data } = made.body
    expect(data).toEqual({
      id: expect.any(Number),
      uuid: uuidText,
      instance_id: instance,
      name: 'Bot',
      kind: 'flow',
      enabled: true,
      definition: flow(reply('hi')),
      created_at: isoSecondsText,
      updated_at: isoSecondsText,
    })
    for (const id of [data.uuid, data.id])
      expect((await app.admin.get(`/automations/${id}`)).body.data).toEqual(data)
    const second = await createdFlow(reply('second'))
    const list = async () => (await app.admin.get(`/instances/${instance}/automations`)).body.data.automations
    expect((await list()).map(({ id }: Json) => id)).toEqual([data.id, second.id])

    const changed = await change(data.id, { name: 'Other', enabled: false })
    expect(changed).toMatchObject({ status: 200, body: { data: { name: 'Other', enabled: false } } })
    expect((await change(data.uuid, { definition: flow() })).body.data).toMatchObject({
      name: 'Other',
      definition: flow(),
    })
    expect((await app.admin.delete(`/automations/${data.id}`)).status).toBe(200)
    expect((await app.admin.get(`/automations/${data.id}`)).status).toBe(404)
    expect((await change(data.id, { name: 'x' })).status).toBe(404)
    expect(await list()).toHaveLength(1)
  })
  it('of the kind integration shows a secret that was made up once, and keeps it', async () => {
    const given = await create('integration', { url: bot.url, secret: 'a secret of theirs' })
    expect(given.body.data).toMatchObject({ definition: { url: bot.url, timeout_seconds: 10 } })
    expect(JSON.stringify(given.body)).not.toContain('a secret')
    const { data } = (await create('integration', { url: bot.url, timeout_seconds: 3 })).body
    expect(data.secret).toMatch(/^whsec_/)
    const changed = await change(data.id, { definition: { url: `${bot.url}/2` } })
    expect(changed.body.data.definition).toEqual({ url: `${bot.url}/2`, timeout_seconds: 10 })
    expect(JSON.stringify((await app.admin.get(`/automations/${data.id}`)).body)).not.toContain('whsec_')
    await app.admin.post(`/automations/${data.id}/try`, { text: 'x' })
    const [headers, raw] = [bot.received.at(-1)?.headers, bot.received.at(-1)?.raw]
    const { Webhook } = await import('standardwebhooks')
    expect(() => new Webhook(data.secret).verify(raw ?? '', headers as Record<string, string>)).not.toThrow()
  })
  it('is for administrators to change, and for all to see', async () => {
    const { id } = await createdFlow(reply('hi'))
    for (const role of ['agent', 'viewer'] as const) {
      const client = await userClient(app, role)
      expect((await client.get(`/automations/${id}`)).status).toBe(200)
      await storingNothing(app, async () => {
        expect((await client.put(`/automations/${id}`, { name: 'x' })).status).toBe(403)
        expect((await client.post(`/automations/${id}/try`, { text: 'x' })).status).toBe(403)
        expect((await client.post(`/instances/${instance}/automations`, {})).status).toBe(403)
      })
    }
  })
  it('comes with at most 49 others', async () => {
    for (let n = 0; n < 50; n++) expect((await create('flow', flow(), { enabled: false })).status).toBe(201)
    expect(await create('flow', flow())).toMatchObject({ status: 409, body: { error: { code: 'CONFLICT' } } })
  })
})

describe('a definition that cannot be run is refused by the place where it is wrong', () => {
  const regex = { type: 'regex', pattern: '(a' }
  const branch = (depth: number): object =>
    depth === 0 ? reply('deep') : { type: 'branch', cases: [], otherwise: [branch(depth - 1)] }
  it.each([
    ['flow', {}, 'definition.trigger'],
    ['flow', { trigger: any }, 'definition.steps'],
    ['flow', { ...flow(), more: 1 }, 'definition.more'],
    ['flow', { trigger: { type: 'sometimes' }, steps: [] }, 'definition.trigger'],
    [
      'flow',
      { trigger: { type: 'keyword', words: [], match: 'whole' }, steps: [] },
      'definition.trigger.words',
    ],
    ['flow', { trigger: regex, steps: [] }, 'definition.trigger.pattern'],
    ['flow', flow(reply('')), 'definition.steps.0.text'],
    ['flow', flow(reply('x'), { type: 'shout' }), 'definition.steps.1'],
    ['flow', flow({ type: 'ask', text: '?', save_as: 'A B' }), 'definition.steps.0.save_as'],
    ['flow', flow(branch(4)), 'definition.steps.0.otherwise.0.otherwise.0.otherwise.0'],
    ['flow', flow(...Array.from({ length: 101 }, () => ({ type: 'end' }))), 'definition.steps'],
    ['flow', flow(...Array.from({ length: 11 }, () => reply('x'))), 'definition.steps'],
    [
      'flow',
      flow({ type: 'branch', cases: [{ match: regex, steps: [] }] }),
      'definition.steps.0.cases.0.match.pattern',
    ],
    [
      'flow',
      flow({ type: 'media', media_url: 'http://10.0.0.1/a', media_type: 'image' }),
      'definition.steps.0.media_url',
    ],
    ['flow', flow({ type: 'tag', add: [newId()] }), 'definition.steps.0.add'],
    ['integration', {}, 'definition.url'],
    ['integration', { url: 'http://10.0.0.1/' }, 'definition.url'],
    ['integration', { url: 'https://example.com', timeout_seconds: 31 }, 'definition.timeout_seconds'],
    ['integration', { url: 'https://example.com', secret: 'whsec_?' }, 'definition.secret'],
    ['integration', flow(), 'definition.url'],
  ] as const)('%s %j: %s', async (kind, definition, field) => {
    const { status, body } = await storingNothing(app, () => create(kind, definition))
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual([field])
    expect(body.error.details[field][0]).toMatch(/^[a-z].{5}/)
  })
  it('and so is a large one, at once', async () => {
    const steps = Array.from({ length: 40_000 }, () => ({ type: 'shout' }))
    const startedAt = performance.now()
    expect((await create('flow', flow(...steps))).status).toBe(422)
    const nested = { type: 'branch', cases: [], otherwise: Array.from({ length: 40_000 }, () => ({})) }
    expect((await create('flow', flow(nested))).status).toBe(422)
    expect(performance.now() - startedAt).toBeLessThan(3000)
  })
  it('tags are to be those of the tenant', async () => {
    const [own, other] = [await addTag(firstTenantId), await addTag(newId())]
    expect((await create('flow', flow({ type: 'tag', add: [own] }))).status).toBe(201)
    const { body } = await create('flow', flow({ type: 'tag', add: [own], remove: [other] }))
    expect(Object.keys(body.error.details)).toEqual(['definition.steps.0.remove'])
  })
})

describe('to try an automation', () => {
  it('shows what a flow would say and where it would wait, step by step, and leaves nothing behind', async () => {
    const { id } = await createdFlow(
      { type: 'ask', text: 'How old are you, {{name}}?', save_as: 'age' },
      { type: 'media', media_url: 'https://example.com/a.jpg', media_type: 'image', caption: '{{age}}' },
      { type: 'hand_over', reason: 'Sales' },
    )
    const attempt = (body: object) => app.admin.post(`/automations/${id}/try`, body)
    await storingNothing(app, async () => {
      const first = (await attempt({ text: 'oi', name: 'Maria' })).body.data
      expect(first).toEqual({
        triggered: true,
        actions: [{ type: 'reply', text: 'How old are you, Maria?' }],
        outcome: 'waiting',
        reason: null,
        state: { waiting_at: [0], variables: {} },
      })
      expect((await attempt({ text: '42', state: first.state })).body.data).toEqual({
        triggered: true,
        actions: [
          { type: 'media', media_type: 'image', media_url: 'https://example.com/a.jpg', caption: '42' },
        ],
        outcome: 'handed_over',
        reason: 'Sales',
        state: null,
      })
      const nowhere = await attempt({ text: '42', state: { waiting_at: [7], variables: {} } })
      expect(nowhere).toMatchObject({
        status: 422,
        body: { error: { details: { state: expect.any(Array) } } },
      })
    })
    expect(await said()).toEqual([])
  })
  it('says when the message does not set it off', async () => {
    const trigger = { type: 'keyword', words: ['oi'], match: 'whole' }
    const { data } = (await create('flow', { trigger, steps: [] })).body
    const attempt = await app.admin.post(`/automations/${data.id}/try`, { text: 'tchau' })
    expect(attempt.body.data).toMatchObject({ triggered: false, actions: [], outcome: null })
  })
  it('asks an integration, and says that it is a trial', async () => {
    answer = () => ({ status: 200, body: JSON.stringify({ replies: [{ text: 'hi' }] }) })
    const { id, uuid } = (await create('integration', { url: bot.url })).body.data
    await storingNothing(app, async () => {
      const { body } = await app.admin.post(`/automations/${id}/try`, { text: 'oi', name: 'Maria' })
      expect(body.data).toMatchObject({
        actions: [{ type: 'reply', text: 'hi' }],
        outcome: 'completed',
      })
    })
    expect(bot.received.at(-1)?.body).toMatchObject({
      event: 'automation.message',
      try: true,
      automation_id: uuid,
      instance_uuid: instance,
      conversation_id: null,
      message: { content: 'oi', sender_name: 'Maria', conversation_id: null },
    })
    answer = () => ({ status: 500 })
    expect((await app.admin.post(`/automations/${id}/try`, { text: 'oi' })).body.data).toMatchObject({
      outcome: 'failed',
      reason: 'The integration answered with status 500.',
    })
  })
})

describe('while an automation is enabled', () => {
  it('a new conversation is answered, sending by hand is refused as the reference has it, until it hands over', async () => {
    await createdFlow({ type: 'ask', text: 'Sales?', save_as: 'sales' }, reply('{{sales}}!'), {
      type: 'hand_over',
      reason: 'Sales',
    })
    await hear('oi')
    await saying(['Sales?'])
    const { number, id } = await conversationRef()
    const blocked = await storingNothing(app, () => send())
    expect(blocked.status).toBe(403)
    expect(blocked.body).toEqual({
      success: false,
      error: {
        code: 'AUTOMATION_ACTIVE',
        message:
          'Cannot send messages. This conversation has active automation. Pause the automation first to send messages manually.',
        conversation_id: number,
      },
    })
    await hear('Sim')
    await saying(['Sales?', 'Sim!'])
    await eventually(async () => expect((await historyOf(id)).at(-1)?.type).toBe('automation.paused'))
    expect((await send()).status).toBe(200)
    await hear('thanks')
    expect(await said()).toEqual(['Sales?', 'Sim!', 'by hand'])
  })
  it('the first whose trigger fits answers: the first message is told from others', async () => {
    const on = (trigger: object, text: string) => create('flow', { trigger, steps: [reply(text)] })
    await on({ type: 'first_message' }, 'Welcome')
    await on({ type: 'regex', pattern: '^preço' }, 'It costs')
    for (const text of ['PRECO?', 'Preço?', 'hm']) await hear(text)
    await hear('hm', '5511988888888')
    await saying(['Welcome'], '5511988888888')
    await saying(['Welcome', 'It costs'])
  })
  it('a conversation that was begun by us is not answered', async () => {
    await createdFlow(reply('robot'))
    expect((await send()).status).toBe(200)
    await hear('oi')
    await hear('oi', '5511988888888')
    await saying(['robot'], '5511988888888')
    expect((await send()).status).toBe(200)
    expect(await said()).toEqual(['by hand', 'by hand'])
  })
  it('an integration answers, tags and hands over when it fails', async () => {
    const tag = await addTag(firstTenantId)
    answer = ({ body }) => {
      const { content } = body['message'] as Json
      return content === 'crash'
        ? { status: 400 }
        : {
            status: 200,
            body: JSON.stringify({ replies: [{ text: `you said ${content}` }], tag_ids: [tag] }),
          }
    }
    await create('integration', { url: bot.url })
    await hear('olá')
    await saying(['you said olá'])
    const { id } = await conversationRef()
    await hear('crash')
    await eventually(async () => expect((await historyOf(id)).at(-1)?.type).toBe('automation.paused'))
    expect((await historyOf(id)).at(-1)?.data).toEqual({
      reason: 'Automation failed. The integration answered with status 400.',
    })
    expect((await historyOf(id)).map(({ type, data }) => [type, data.added?.[0]])).toContainEqual([
      'conversation.tagged',
      { id: tag, name: 'VIP' },
    ])
    expect((await send()).status).toBe(200)
  })
})

describe('without an enabled automation', () => {
  it('sending is never blocked, whatever there was before', async () => {
    const { id } = await createdFlow({ type: 'ask', text: 'Who?', save_as: 'who' })
    await hear('oi')
    await saying(['Who?'])
    expect((await send()).status).toBe(403)
    await change(id, { enabled: false })
    expect((await send()).status).toBe(200)
    await change(id, { enabled: true })
    expect((await send()).status).toBe(403)
    await app.admin.delete(`/automations/${id}`)
    expect((await send()).status).toBe(200)
  })
  it('a new conversation belongs to people, and still does once there is one', async () => {
    await create('flow', flow(reply('robot')), { enabled: false })
    await hear('oi')
    const { id } = await conversationRef()
    await createdFlow(reply('robot'))
    await hear('oi again')
    await hear('oi', '5511988888888')
    await saying(['robot'], '5511988888888')
    expect((await send()).status).toBe(200)
    expect(await historyOf(id)).toMatchObject([{ type: 'conversation.started', data: { automated: false } }])
  })
})

describe('the history of a conversation', () => {
  it('tells what happened and who did it, runs among it, the newest last', async () => {
    const { uuid } = await createdFlow({ type: 'ask', text: 'Name?', save_as: 'who' }, { type: 'hand_over' })
    const { body: first } = await hear('oi')
    await saying(['Name?'])
    const { id, number } = await conversationRef()
    await hear('Maria')
    await eventually(async () => expect((await historyOf(id)).at(-1)?.type).toBe('automation.paused'))
    await app.admin.post(`/conversations/${id}/mark-read`)

    const history = await historyOf(String(number))
    const bot = { kind: 'automation', id: uuid, name: 'Bot' }
    const run = { run_id: uuidText, automation: { id: uuid, name: 'Bot' }, message_id: uuidText }
    expect(history.map(({ type }) => type)).toEqual([
      'conversation.started',
      'run.started',
      'run.waiting',
      'run.ended',
      'automation.paused',
      'conversation.read',
    ])
    expect(history[0]).toMatchObject({ at: isoSecondsText, data: { automated: true } })
    expect(history[1]).toEqual({
      id: uuidText,
      at: isoSecondsText,
      type: 'run.started',
      actor: bot,
      cause: {
        correlation_id: expect.any(String),
        causation_id: uuidText,
        type: 'MessageReceived',
        stream: `message-${first.data.message_id}`,
      },
      data: { ...run, message_id: first.data.message_id },
    })
    expect(history[2]?.data).toEqual({ ...run, variables: {} })
    expect(history[3]?.data).toEqual({ ...run, outcome: 'handed_over', reason: null })
    expect(history[4]).toMatchObject({ actor: bot, data: { reason: null } })
    expect(history[5]?.actor).toEqual({ kind: 'user', id: uuidText, name: 'Administrator' })
  })
  it('has nothing from before the conversation was deleted, but that it was', async () => {
    await createdFlow({ type: 'ask', text: 'Name?', save_as: 'who' }, { type: 'end' })
    await hear('oi')
    await saying(['Name?'])
    const { id } = await conversationRef()
    await app.admin.delete(`/conversations/${id}`)
    await hear('again')
    const types = (await historyOf(id)).map(({ type }) => type)
    expect(types[0]).toBe('conversation.deleted')
    expect(types.filter((type) => type === 'conversation.started')).toHaveLength(1)
  })
})
