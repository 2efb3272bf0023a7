import { describe, expect, onTestFinished, test } from 'vitest'
import { conversationId } from '../../src/domain/ids.ts'
import { failed, turnOf } from '../../src/domain/integration.ts'
import { integration, startAutomated } from '../support/automations.ts'
import { INSTANCE, JOHN, MARY } from '../support/facts.ts'
import { startFileServer } from '../support/files.ts'
import { testLog } from '../support/log.ts'
import { eventually } from '../support/eventually.ts'
import { gate } from '../support/subscriber.ts'

describe('an integration', () => {
  test('is told of the message as webhooks are, and what it answers is said', async () => {
    const log = await testLog()
    const { startProgram, hear, said, runs, rows, conversation } = await startAutomated(log, [integration])
    const files = await startFileServer()
    onTestFinished(files.close)
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
