import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { postgresEventStore } from '../../src/adapters/postgres/event-store.ts'
import { eraseCommand } from '../../src/cli/erase/command.ts'
import { lostKeysCommand } from '../../src/cli/lost-keys.ts'
import type { Command } from '../../src/cli/command.ts'
import { loadConfig } from '../../src/config.ts'
import { conversationId } from '../../src/domain/ids.ts'
import { createLog } from '../../src/log.ts'
import type { GatewayListener } from '../../src/ports/gateway.ts'
import { NO_STREAM, START } from '../../src/ports/event-store.ts'
import { eventsOf } from '../../src/read-log.ts'
import type { Json } from '../support/client.ts'
import { TEAM, toAppend } from '../support/facts.ts'
import { eventually } from '../support/eventually.ts'
import { startToldApp } from '../support/told-app.ts'

const AT = '2025-01-15T10:30:00.000Z'

let app: Awaited<ReturnType<typeof startToldApp>>
let instance: string
let listener: GatewayListener
let people = 0
beforeAll(async () => {
  app = await startToldApp()
})
afterAll(() => app.stop())
beforeEach(async () => {
  ;({ instance, listener } = await app.pair())
})

/** Somebody new, who is nowhere else. */
const somebody = () => {
  const digits = String(++people).padStart(4, '0')
  return {
    phone: `551198765${digits}`,
    jid: `551198765${digits}@s.whatsapp.net`,
    hidden: `17123456789${digits}@lid`,
  }
}

const say = (text: string, chat: string, sender = chat) =>
  listener.message({
    ...{ whatsappId: randomUUID(), chat, fromMe: false, sender, senderName: `Name of ${sender}` },
    ...{ content: { kind: 'text', text }, at: AT },
  })

const run = async (command: Command, ...args: string[]) => {
  let said = ''
  const output = { write: (text: string) => void (said += text) }
  const code = await command.run({
    args,
    config: loadConfig({ DATABASE_URL: app.database.url, DATA_DIR: app.dataFolder }),
    log: createLog('silent'),
    screen: { out: output, progress: { write: () => {} } },
  })
  return { code, said }
}
const erase = (...args: string[]) => run(eraseCommand, ...args, '--yes')

/** The whole log, as whoever may read it reads it. */
const logText = async () => {
  const texts: string[] = []
  for await (const { data } of eventsOf(app.store, START, await app.store.head()))
    texts.push(JSON.stringify(data))
  return texts.join('\n')
}
const get = async (path: string): Promise<Json> => (await app.admin.get(path)).body.data

test('a person is forgotten by every address, also one under which nobody ever wrote', async () => {
  const { phone, jid, hidden } = somebody()
  await listener.addressLink({ from: hidden, to: jid, at: AT })
  await say('hello', jid)
  await eventually(async () => expect(await get(`/contacts?search=${phone}`)).toHaveLength(1))
  const { code, said } = await erase('--person', phone)
  expect([code, said]).toEqual([0, expect.stringContaining('Erased: 1 conversation, 1 contact, 1 address.')])
  const log = await logText()
  for (const name of [phone, hidden.split('@')[0] ?? '']) expect(log).not.toContain(name)
  expect(said).not.toContain('before there were keys')
}, 60_000)

test('what a person wrote in a group goes, also where only the hidden id was known', async () => {
  const { phone, jid, hidden } = somebody()
  const bob = somebody()
  // Nobody is there.
  await app.admin.put(`/instances/${instance}/webhook`, { webhook_url: 'http://127.0.0.1:1/' })
  await say('from Bob', TEAM, bob.jid)
  await say('from the number', TEAM, jid)
  await say('from the hidden id', TEAM, hidden)
  await listener.addressLink({ from: hidden, to: jid, at: AT })
  const messages = async () =>
    (await get(`/conversations/${conversationId(instance, TEAM)}/messages`)).messages.map(
      ({ message_body }: Json) => message_body,
    )
  expect(await messages()).toEqual(['from Bob', 'from the number', 'from the hidden id'])
  const bodies = async () => JSON.stringify((await app.pool.query('select body from webhook_delivery')).rows)
  await eventually(async () => expect(await bodies()).toContain('from the hidden id'))
  expect((await erase('--person', phone)).said).toContain('2 messages in groups')
  expect(await messages()).toEqual(['from Bob', null, null])
  expect(await bodies()).not.toMatch(/from the (number|hidden)/)
  expect(await bodies()).toContain('from Bob')
}, 60_000)

test('a person whom nobody knows is not said to be erased', async () => {
  await expect(erase('--person', '5511912345678')).rejects.toThrow('There is nothing of 5511912345678.')
})

test('a conversation and a contact are erased by number, and what is kept of others stays', async () => {
  const [ann, bob] = [somebody(), somebody()]
  await say('secret of Ann', ann.jid)
  await say('words of Bob', bob.jid)
  const contact = await eventually(async () => {
    const [found] = await get(`/contacts?search=${ann.phone}`)
    expect(found).toBeDefined()
    return found
  })
  const { number } = await get(`/conversations/${conversationId(instance, ann.jid)}`)
  expect((await erase('--conversation', String(number))).said).toContain(
    'Erased: 1 conversation, 0 contacts.',
  )
  expect(await logText()).not.toContain('secret of Ann')
  expect((await app.admin.get(`/conversations/${number}`)).status).toBe(404)
  expect((await app.admin.get(`/contacts/${contact.id}`)).status).toBe(200)

  await erase('--contact', String(contact.id))
  const log = await logText()
  expect(log).not.toContain(ann.phone)
  expect(log).toContain('words of Bob')
  await expect(erase('--conversation', '987654')).rejects.toThrow('There is no conversation 987654.')
}, 60_000)

test('what was stored before there were keys is said to stay readable', async () => {
  const { jid } = somebody()
  await say('hello', jid)
  const [first] = await app.store.readStream(`conversation-${conversationId(instance, jid)}`)
  const old = conversationId(instance, somebody().jid)
  const plain = postgresEventStore(app.pool, () => {})
  const data = { number: 4711, instanceId: instance, chat: jid, isGroup: false, at: AT }
  const event = toAppend({ type: 'ConversationStarted', data }, first?.meta)
  await plain.append(`conversation-${old}`, NO_STREAM, [event])
  await plain.close()
  expect((await erase('--conversation', old)).said).toContain(
    'Of 1 of these, something was stored before there were keys',
  )
}, 60_000)

test('lost keys are counted, and given up when that is asked for', async () => {
  const { jid } = somebody()
  await say('lost words', jid)
  const owner = conversationId(instance, jid)
  expect((await run(lostKeysCommand)).said).toBe(
    'Keys that are missing: 0. Events in which they sealed what is personal: 0.\n',
  )
  await app.pool.query('delete from sealing_key where owner = $1', [owner])
  const { code, said } = await run(lostKeysCommand)
  expect([code, said]).toEqual([
    0,
    'Keys that are missing: 1. Events in which they sealed what is personal: 2.\n',
  ])
  await expect(logText()).rejects.toThrow('zapini lost-keys')
  expect((await run(lostKeysCommand, '--give-up')).said).toContain('They read as erased from now on.')
  expect(await logText()).not.toContain('lost words')
}, 60_000)
