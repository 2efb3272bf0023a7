import { describe, expect, test } from 'vitest'
import { archive, Conversation, pause, resume } from '../../src/domain/conversation.ts'
import { conversationId } from '../../src/domain/ids.ts'
import { turnOf } from '../../src/domain/integration.ts'
import { integration, startAutomated, survey } from '../support/automations.ts'
import { context, INSTANCE, JOHN, TEAM } from '../support/facts.ts'
import { testLog } from '../support/log.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

const USER = { ...context, actor: { kind: 'user', id: '550e8400-e29b-41d4-a716-446655440400' } } as const
const now = () => new Date().toISOString()

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
