import { describe, expect, onTestFinished, test } from 'vitest'
import { AutomationRun, record } from '../../src/domain/automation-run.ts'
import { archive, Conversation, pause, resume, tag } from '../../src/domain/conversation.ts'
import { Refusal } from '../../src/domain/errors.ts'
import { conversationId } from '../../src/domain/ids.ts'
import { failed, turnOf } from '../../src/domain/integration.ts'
import type { Transact } from '../../src/write/transact.ts'
import { automationRow, flowOf, integration, startAutomated } from '../support/automations.ts'
import { context, INSTANCE, JOHN, MARY, TEAM } from '../support/facts.ts'
import { startFileServer } from '../support/files.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { startReceiving } from '../support/receiving.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

const USER = { ...context, actor: { kind: 'user', id: '550e8400-e29b-41d4-a716-446655440400' } } as const
const TAGS = ['550e8400-e29b-41d4-a716-446655440501', '550e8400-e29b-41d4-a716-446655440502'] as const
const reply = (text: string) => ({ type: 'reply', text }) as const
const ask = { type: 'ask', text: 'How old?', save_as: 'age' } as const
const survey = flowOf(reply('Hi {{name}}'), ask, reply('{{age}}, fine'))
const now = () => new Date().toISOString()

/** The first write to a kind of aggregate fails, as if the program were killed there. */
const dyingAt =
  (category: 'run' | 'conversation') =>
  (transact: Transact): Transact =>
  async (decider, ...rest) => {
    if (decider.category === category) throw new Error('Killed')
    return transact(decider, ...rest)
  }

const fileServer = async () => {
  const server = await startFileServer()
  onTestFinished(server.close)
  return server
}

describe('a flow', () => {
  test('answers in order, waits, and goes on with the answer after a restart', async () => {
    const log = await testLog()
    const { startProgram, hear, said, runs, run } = await startAutomated(log, [survey])
    const first = startProgram()
    await hear('hello')
    await eventually(async () => expect(await runs()).toEqual(['started', 'advanced']))
    await eventually(() => expect(said()).toEqual(['Hi John', 'How old?']))
    await first.stop()
    await hear('42')
    startProgram()
    await eventually(async () => expect(await runs()).toEqual(['started', 'advanced', 'ended: completed']))
    await eventually(() => expect(said()).toEqual(['Hi John', 'How old?', '42, fine']))
    expect((await run()).waiting).toBeUndefined()
  })

  test('sends as automation, caused by the message that it answers', async () => {
    const log = await testLog()
    const { startProgram, hear, ofType, rows } = await startAutomated(log, [survey])
    startProgram()
    await hear('hello')
    await eventually(() => expect(ofType('MessageQueued')).toHaveLength(2))
    const [heard] = ofType('MessageReceived')
    for (const { meta } of [...ofType('MessageQueued'), ...ofType('AutomationRunStarted')])
      expect(meta).toMatchObject({
        actor: { kind: 'automation', id: rows[0]?.id },
        causation: heard?.id,
        correlation: heard?.meta.correlation,
      })
  })

  test('killed between sending and recording says everything once, even if it was changed in between', async () => {
    const log = await testLog()
    const { startProgram, hear, said, runs, rows } = await startAutomated(log, [survey])
    const first = startProgram({ writing: dyingAt('run') })
    await hear('hello')
    await eventually(() => expect(first.errors).not.toEqual([]))
    await eventually(() => expect(said()).toEqual(['Hi John', 'How old?']))
    await first.stop()
    rows[0] = automationRow(1, flowOf(reply('Other words'), ask))
    startProgram()
    await eventually(async () => expect(await runs()).toEqual(['started', 'advanced']))
    await eventually(() => expect(said()).toEqual(['Hi John', 'How old?']))
  })

  test('killed between recording and handing over hands over', async () => {
    const log = await testLog()
    const { startProgram, hear, said, runs, conversation } = await startAutomated(log, [
      flowOf(reply('A moment'), { type: 'hand_over', reason: 'Sales' }),
    ])
    const first = startProgram({ writing: dyingAt('conversation') })
    await hear('hello')
    await eventually(() => expect(first.errors).not.toEqual([]))
    expect(await runs()).toEqual(['started', 'ended: handed_over'])
    await first.stop()
    expect((await conversation()).automation).toBe('active')
    startProgram()
    await eventually(async () => expect((await conversation()).automation).toBe('paused'))
    await eventually(() => expect(said()).toEqual(['A moment']))
    expect(await runs()).toEqual(['started', 'ended: handed_over'])
  })

  test('told everything again, does nothing again', async () => {
    const log = await testLog()
    const { startProgram, hear, said, runs } = await startAutomated(log, [survey])
    const first = startProgram()
    for (const text of ['hello', '42', 'again', '43']) await hear(text)
    await eventually(async () => expect(await runs()).toHaveLength(6))
    await eventually(() => expect(said()).toHaveLength(6))
    await first.stop()
    const before = [said(), await runs()]
    await log.pool.query('delete from checkpoint')
    const second = startProgram()
    const head = await log.store.head()
    await eventually(() => expect(second.status().position).toBe(head))
    expect([said(), await runs()]).toEqual(before)
  })

  test('sets and takes away tags that exist', async () => {
    const log = await testLog()
    const { startProgram, hear, conversation, startConversation } = await startAutomated(log, [
      flowOf({ type: 'tag', add: [TAGS[1], '550e8400-e29b-41d4-a716-446655440599'], remove: [TAGS[0]] }),
    ])
    const { id } = await startConversation(INSTANCE, JOHN, context, { incoming: true })
    await log.transact(Conversation, id, tag([TAGS[0]], now()), USER)
    startProgram({ knownTags: TAGS })
    await hear('hello')
    await eventually(async () => expect((await conversation()).tags).toEqual([TAGS[1]]))
  })

  test('that cannot go on just now goes on a moment later, and does not hand over', async () => {
    const log = await testLog()
    const { startProgram, hear, runs, conversation } = await startAutomated(log, [
      flowOf({ type: 'tag', add: [TAGS[0]] }),
    ])
    let refusals = 0
    const busyOnce =
      (transact: Transact): Transact =>
      async (decider, ...rest) => {
        if (decider.category === 'conversation' && refusals++ === 0)
          throw new Refusal('UNAVAILABLE', 'Try again in a few seconds.')
        return transact(decider, ...rest)
      }
    startProgram({ knownTags: TAGS, writing: busyOnce })
    await hear('hello')
    await eventually(async () => expect(await runs()).toEqual(['started', 'ended: completed']))
    expect(await conversation()).toMatchObject({ automation: 'active', tags: [TAGS[0]] })
  })

  test('whose question nobody answered for a day starts afresh', async () => {
    const log = await testLog()
    const { startProgram, hear, said, runs, rows } = await startAutomated(log, [survey])
    const id = conversationId(INSTANCE, JOHN)
    const yesterday = new Date(Date.now() - 24 * 3_600_000 - 1000).toISOString()
    const waiting = { at: [1], variables: {} }
    const told = {
      runId: '550e8400-e29b-41d4-a716-446655440601',
      automationId: rows[0]?.id ?? '',
      message: { id: '550e8400-e29b-41d4-a716-446655440602', heardAt: yesterday },
      next: { outcome: 'waiting', waiting } as const,
    }
    await log.transact(AutomationRun, id, record(told, yesterday), context)
    startProgram()
    await hear('hello')
    await eventually(async () =>
      expect(await runs()).toEqual(['started', 'advanced', 'ended: failed', 'started', 'advanced']),
    )
    await eventually(() => expect(said()).toEqual(['Hi John', 'How old?']))
  })

  test('that was changed, so that it waits nowhere, starts afresh', async () => {
    const log = await testLog()
    const { startProgram, hear, said, runs, rows } = await startAutomated(log, [survey])
    startProgram()
    await hear('hello')
    await eventually(async () => expect(await runs()).toHaveLength(2))
    rows[0] = automationRow(1, flowOf(reply('New')))
    await hear('42')
    await eventually(async () =>
      expect(await runs()).toEqual(['started', 'advanced', 'ended: failed', 'started', 'ended: completed']),
    )
    await eventually(() => expect(said()).toEqual(['Hi John', 'How old?', 'New']))
  })
})

describe('a file that a flow sends', () => {
  const sending = (media_url: string) =>
    flowOf(
      reply('Here it is'),
      { type: 'media', media_url, media_type: 'image', caption: 'Yours' },
      reply('Bye'),
    )

  test('is here before its message is queued, in its place between the others', async () => {
    const log = await testLog()
    const { url, asked } = await fileServer()
    const { startProgram, hear, said, runs, ofType } = await startAutomated(log, [sending(`${url}/a.jpg`)])
    startProgram()
    await hear('hello')
    await eventually(async () => expect(await runs()).toEqual(['started', 'ended: completed']))
    await eventually(() => expect(said()).toEqual(['Here it is', 'image', 'Bye']))
    const mediaId = expect.any(String)
    expect(ofType('MessageQueued')[1]?.data).toMatchObject({
      content: { kind: 'image', url: `${url}/a.jpg`, mediaId, mimeType: 'image/jpeg', caption: 'Yours' },
    })
    const [stored] = ofType('MediaStored')
    expect(stored?.position).toBeLessThan(ofType('MessageQueued')[1]?.position ?? 0n)
    expect(asked).toEqual(['a.jpg'])
  })

  test('is fetched once and sent once, even if the program is killed between sending and recording', async () => {
    const log = await testLog()
    const { url, asked } = await fileServer()
    const { startProgram, hear, said, runs } = await startAutomated(log, [sending(`${url}/a.jpg`)])
    const first = startProgram({ writing: dyingAt('run') })
    await hear('hello')
    await eventually(() => expect(first.errors).not.toEqual([]))
    await first.stop()
    startProgram()
    await eventually(async () => expect(await runs()).toEqual(['started', 'ended: completed']))
    await eventually(() => expect(said()).toEqual(['Here it is', 'image', 'Bye']))
    expect(asked).toEqual(['a.jpg'])
  })

  test.each([
    ['gone', 'The file could not be fetched: answered 404.'],
    ['a.pdf', 'This file (application/pdf) cannot be sent as image.'],
  ])('and cannot be sent (%s) leaves the conversation to people, and says why', async (name, why) => {
    const log = await testLog()
    const { url } = await fileServer()
    const { startProgram, hear, said, runs, run, conversation } = await startAutomated(log, [
      sending(`${url}/${name}`),
    ])
    startProgram()
    await hear('hello')
    await eventually(async () => expect((await conversation()).automation).toBe('paused'))
    expect(await runs()).toEqual(['started', 'ended: failed'])
    expect((await run()).ended?.reason).toContain(why)
    await eventually(() => expect(said()).toEqual(['Here it is']))
  })

  test('and takes its time holds up neither other conversations nor the end of the program', async () => {
    const log = await testLog()
    const asked: string[] = []
    const server = await startFileServer({}, (request) => void asked.push(request.url ?? ''))
    onTestFinished(server.close)
    const { startProgram, hear, said } = await startAutomated(log, [
      flowOf({
        type: 'branch',
        cases: [
          {
            match: { type: 'keyword', words: ['file'], match: 'starts_with' },
            steps: [{ type: 'media', media_url: `${server.url}/slow`, media_type: 'image' }],
          },
        ],
        otherwise: [reply('Quick')],
      }),
    ])
    const program = startProgram()
    const others = ['5511777777771', '5511777777772', '5511777777773'].map((one) => `${one}@s.whatsapp.net`)
    await Promise.all(others.map((chat, n) => hear(`file ${n}`, chat)))
    await eventually(() => expect(asked).toHaveLength(others.length))
    await hear('hello', MARY)
    await eventually(() => expect(said(MARY)).toEqual(['Quick']))
    await program.stop()
  })
})

describe('of several automations', () => {
  test('the first whose trigger fits answers, and none if none fits', async () => {
    const log = await testLog()
    const on = (trigger: object, text: string) =>
      ({ trigger, steps: [reply(text)] }) as ReturnType<typeof flowOf>
    const { startProgram, hear, said } = await startAutomated(log, [
      on({ type: 'first_message' }, 'Welcome'),
      on({ type: 'keyword', words: ['price'], match: 'contains' }, 'It costs'),
      on({ type: 'regex', pattern: 'price|help' }, 'We help'),
    ])
    startProgram()
    for (const text of ['the PRICE?', 'Price!', 'hm', 'help']) await hear(text)
    await eventually(() => expect(said()).toEqual(['Welcome', 'It costs', 'We help']))
  })
})

describe('people', () => {
  test('who take over end the run that waits, and are not talked over', async () => {
    const log = await testLog()
    const { startProgram, hear, said, runs, conversation } = await startAutomated(log, [survey])
    const { status } = startProgram()
    await hear('hello')
    await eventually(async () => expect(await runs()).toHaveLength(2))
    await log.transact(Conversation, conversationId(INSTANCE, JOHN), pause('Mine', now()), USER)
    await eventually(async () => expect(await runs()).toEqual(['started', 'advanced', 'ended: handed_over']))
    await hear('42')
    const head = await log.store.head()
    await eventually(() => expect(status().position).toBe(head))
    await eventually(() => expect(said()).toEqual(['Hi John', 'How old?']))
    expect((await conversation()).automation).toBe('paused')
  })

  test('who took over once, and gave back, do not end a later run when a restart tells of it again', async () => {
    const log = await testLog()
    const { startProgram, hear, runs, run } = await startAutomated(log, [survey])
    const first = startProgram()
    await hear('hello')
    await eventually(async () => expect(await runs()).toHaveLength(2))
    const id = conversationId(INSTANCE, JOHN)
    for (const decide of [pause('Mine', now()), archive(now()), resume(now())])
      await log.transact(Conversation, id, decide, USER)
    await hear('hello again')
    const before = ['started', 'advanced', 'ended: handed_over', 'started', 'advanced']
    await eventually(async () => expect(await runs()).toEqual(before))
    await first.stop()
    await log.pool.query('delete from checkpoint')
    const second = startProgram()
    const head = await log.store.head()
    await eventually(() => expect(second.status().position).toBe(head))
    expect(await runs()).toEqual(before)
    expect((await run()).waiting).toBeDefined()
  })

  test('who take over while an integration thinks are not talked over either', async () => {
    const log = await testLog()
    const { startProgram, hear, said, runs } = await startAutomated(log, [integration])
    const { opened, open } = gate()
    let asked = 0
    startProgram({
      ask: async () => {
        asked++
        await opened
        return turnOf({ replies: [{ text: 'too late' }] })
      },
    })
    await hear('hello')
    await eventually(() => expect(asked).toBe(1))
    await log.transact(Conversation, conversationId(INSTANCE, JOHN), pause(undefined, now()), USER)
    open()
    await eventually(async () => expect(await runs()).toEqual(['started', 'ended: handed_over']))
    expect(said()).toEqual([])
  })

  test('of a group are not answered, nor is the group automated', async () => {
    const log = await testLog()
    const { startProgram, hear, said, conversation } = await startAutomated(log, [survey])
    startProgram()
    await hear('all', TEAM)
    await hear('hello')
    await eventually(() => expect(said()).toHaveLength(2))
    expect(said(TEAM)).toEqual([])
    expect((await conversation(TEAM)).automation).toBe('none')
    expect((await conversation()).automation).toBe('active')
  })

  test('to whom we wrote first are not answered by automation', async () => {
    const log = await testLog()
    const { startProgram, hear, said, startConversation } = await startAutomated(log, [survey])
    await startConversation(INSTANCE, JOHN, context)
    const { status } = startProgram()
    await hear('hello')
    const head = await log.store.head()
    await eventually(() => expect(status().position).toBe(head))
    expect(said()).toEqual([])
  })
})

describe('an integration', () => {
  test('is told of the message as webhooks are, and what it answers is said', async () => {
    const log = await testLog()
    const { startProgram, hear, said, runs, rows, conversation } = await startAutomated(log, [integration])
    const files = await fileServer()
    const questions: object[] = []
    startProgram({
      ask: async (question) => {
        questions.push(question)
        return turnOf({
          replies: [{ text: 'one' }, { media_url: `${files.url}/a.jpg`, media_type: 'image' }],
          hand_over: 'enough',
        })
      },
    })
    const id = await hear('hello')
    await eventually(async () => expect((await conversation()).automation).toBe('paused'))
    expect(questions).toEqual([
      {
        automation_id: rows[0]?.id,
        run_id: expect.any(String),
        instance_uuid: INSTANCE,
        conversation_id: 1,
        conversation_uuid: conversationId(INSTANCE, JOHN),
        message: expect.objectContaining({
          message_id: id,
          whatsapp_message_id: 'hello',
          content: 'hello',
          sender_number: '5511999999999',
          sender_name: 'John',
        }),
      },
    ])
    await eventually(() => expect(said()).toEqual(['one', 'image']))
    expect(await runs()).toEqual(['started', 'ended: handed_over'])
  })

  test('that fails hands over, and says why', async () => {
    const log = await testLog()
    const { startProgram, hear, runs, run, conversation, ofType } = await startAutomated(log, [integration])
    startProgram({ ask: async () => failed('timed out after 5 s') })
    await hear('hello')
    await eventually(async () => expect((await conversation()).automation).toBe('paused'))
    expect(await runs()).toEqual(['started', 'ended: failed'])
    expect((await run()).ended).toMatchObject({ reason: 'timed out after 5 s' })
    expect(ofType('AutomationPaused').map(({ data }) => data)).toMatchObject([
      { reason: 'Automation failed. timed out after 5 s' },
    ])
  })

  test('that hangs in one conversation does not delay another, and is asked again after a crash', async () => {
    const log = await testLog()
    const { startProgram, hear, said } = await startAutomated(log, [integration])
    const hanging = gate()
    const first = startProgram({
      ask: async ({ message }) => {
        if (message.content === 'hang') await hanging.opened
        return turnOf({ replies: [{ text: `to ${message.content}` }] })
      },
    })
    await hear('hang')
    for (const text of ['one', 'two', 'three']) await hear(text, MARY)
    await eventually(() => expect(said(MARY)).toEqual(['to one', 'to two', 'to three']))
    expect(said()).toEqual([])
    expect(first.status().position).toBeLessThan(await log.store.head())
    // Another program, as after a crash: what hung comes again, and Mary hears nothing twice.
    startProgram({ ask: async ({ message }) => turnOf({ replies: [{ text: `again ${message.content}` }] }) })
    await eventually(() => expect(said()).toEqual(['again hang']))
    hanging.open()
    const head = await log.store.head()
    await eventually(() => expect(first.status().position).toBeGreaterThanOrEqual(head))
    await eventually(() => expect(said(MARY)).toEqual(['to one', 'to two', 'to three']))
    await eventually(() => expect(said()).toEqual(['again hang']))
  })

  test('is asked by a bounded number of conversations at once', async () => {
    const log = await testLog()
    const { startProgram, hear, ofType } = await startAutomated(log, [integration])
    const { opened, open } = gate()
    let [asking, most] = [0, 0]
    const { listeners } = startProgram({
      ask: async () => {
        most = Math.max(most, ++asking)
        await opened
        asking--
        return turnOf({})
      },
    })
    for (let n = 10; n < 22; n++) await hear(`hello ${n}`, `55119888888${n}@s.whatsapp.net`)
    await eventually(() => expect(asking).toBe(8))
    await eventually(() => expect(listeners()).toBeGreaterThanOrEqual(12))
    open()
    await eventually(() => expect(ofType('AutomationRunEnded')).toHaveLength(12))
    expect(most).toBe(8)
    await eventually(() => expect(listeners(), 'of those who waited nobody listens').toBeLessThan(3))
  })
})

describe('a conversation that becomes part of another one', () => {
  const HIDDEN = '171234567890123@lid'
  const link = async (log: TestLog) =>
    startReceiving(log).receive.addressLink(INSTANCE, { from: HIDDEN, to: JOHN, at: now() }, context)

  test('ends the run that waits in it, and the next message starts one in the other', async () => {
    const log = await testLog()
    const { startProgram, hear, runs, said } = await startAutomated(log, [survey])
    const { errors } = startProgram()
    await hear('hello', HIDDEN)
    await eventually(async () => expect(await runs(HIDDEN)).toEqual(['started', 'advanced']))
    await link(log)
    await eventually(async () => expect(await runs(HIDDEN)).toEqual(['started', 'advanced', 'ended: failed']))
    await hear('hello again', HIDDEN)
    await eventually(async () => expect(await runs(JOHN)).toEqual(['started', 'advanced']))
    await eventually(() => expect(said(JOHN)).toEqual(['Hi John', 'How old?']))
    expect(errors).toEqual([])
  })

  test('has its last messages answered in the other one', async () => {
    const log = await testLog()
    const { startProgram, hear, runs, said } = await startAutomated(log, [flowOf(reply('Hi'))])
    await hear('hello', HIDDEN)
    await link(log)
    startProgram()
    await eventually(async () => expect(await runs(JOHN)).toEqual(['started', 'ended: completed']))
    await eventually(() => expect(said(JOHN)).toEqual(['Hi']))
  })
})

test('what was said before the phone was paired starts nothing, and goes on with nothing', async () => {
  const log = await testLog()
  const { startProgram, hear, runs, said } = await startAutomated(log, [survey])
  const { status } = startProgram()
  const past = (whatsappId: string) =>
    startReceiving(log).receive.message(
      INSTANCE,
      {
        whatsappId,
        chat: JOHN,
        fromMe: false,
        sender: JOHN,
        content: { kind: 'text', text: '42' },
        at: now(),
        past: true,
      },
      context,
    )
  await hear('hello')
  await eventually(async () => expect(await runs()).toEqual(['started', 'advanced']))
  await past('long ago')
  await hear('43')
  await eventually(async () => expect(await runs()).toEqual(['started', 'advanced', 'ended: completed']))
  await past('longer ago')
  const end = await log.store.head()
  await eventually(() => expect(status().position).toBe(end))
  await eventually(() => expect(said()).toEqual(['Hi John', 'How old?', '43, fine']))
})
