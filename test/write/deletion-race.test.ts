import { expect, test } from 'vitest'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { Conversation, remove } from '../../src/domain/conversation.ts'
import { createConversations } from '../../src/write/conversations.ts'
import { receiveWithoutFiles } from '../support/receiving.ts'
import type { Transact } from '../../src/write/transact.ts'
import { AT, context, INSTANCE, JOHN } from '../support/facts.ts'
import { testLog } from '../support/log.ts'

test('a conversation that is deleted while a message comes in is there with it, and can be deleted again', async () => {
  const { transact, load, recall, pool } = await testLog()
  const numbers = postgresNumbers(pool)
  const hasAutomation = () => Promise.resolve(false)
  const { startConversation } = createConversations({ transact, load, recall, numbers, hasAutomation })
  const { id, number } = await startConversation(INSTANCE, JOHN, context)
  const deletingFirst: Transact = async (decider, ...rest) => {
    if (decider.category === 'message') await transact(Conversation, id, remove(AT), context)
    return transact(decider, ...rest)
  }
  const receive = receiveWithoutFiles({ transact: deletingFirst, load, numbers, startConversation })
  const content = { kind: 'text', text: 'hi' } as const
  const words = { whatsappId: 'A', chat: JOHN, fromMe: false, sender: JOHN, content, at: AT }
  await receive.message(INSTANCE, words, context)
  expect((await load(Conversation, id)).state).toMatchObject({ exists: true, number })
})

test('a conversation that another node deleted is there again with the next message', async () => {
  const { openProcess, transact, load, recall, pool } = await testLog()
  const numbers = postgresNumbers(pool)
  const hasAutomation = () => Promise.resolve(false)
  const parts = { transact, load, recall, numbers, hasAutomation, alone: false }
  const { startConversation } = createConversations(parts)
  const { id, number } = await startConversation(INSTANCE, JOHN, context)
  const other = openProcess()
  await other.transact(Conversation, id, remove(AT), context)
  const receive = receiveWithoutFiles({ transact, load, numbers, startConversation })
  const content = { kind: 'text', text: 'hi' } as const
  const words = { whatsappId: 'A', chat: JOHN, fromMe: false, sender: JOHN, content, at: AT }
  await receive.message(INSTANCE, words, context)
  expect((await other.load(Conversation, id)).state).toMatchObject({ exists: true, number })
})
