import { describe, expect, test } from 'vitest'
import { AutomationRun, record } from '../../src/domain/automation-run.ts'
import { Conversation, tag } from '../../src/domain/conversation.ts'
import { Refusal } from '../../src/domain/errors.ts'
import { conversationId } from '../../src/domain/ids.ts'
import type { Transact } from '../../src/write/transact.ts'
import { ask, automationRow, dyingAt, flowOf, reply, startAutomated, survey } from '../support/automations.ts'
import { context, INSTANCE, JOHN } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { startReceiving } from '../support/receiving.ts'
import { eventually } from '../support/eventually.ts'

const USER = { ...context, actor: { kind: 'user', id: '550e8400-e29b-41d4-a716-446655440400' } } as const
const TAGS = ['550e8400-e29b-41d4-a716-446655440501', '550e8400-e29b-41d4-a716-446655440502'] as const
const now = () => new Date().toISOString()

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
