import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createConnectedInstance, login, type Client } from '../support/client.ts'
import { startFileServer, pdf } from '../support/files.ts'
import { startCommand } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { ADMIN, createHome, type Home } from './home.ts'

const PATIENCE = { timeout: 20_000, interval: 50 }
/** Programs and commands are started several times over. */
const LONG = 180_000

/** What somebody says and is called, of words that are nowhere else. */
const personOf = (word: string, phone: string) => ({
  phone,
  words: ['said', 'named', 'noted', 'file'].map((what) => `${what}${word}`),
  said: `said${word} hello`,
  name: `Named${word}`,
  notes: `noted${word}`,
})
const JOHN = personOf('qxzzy', '5511987650001')
const MARY = personOf('wvkkj', '5511987650002')

let home: Home
let receiver: Awaited<ReturnType<typeof startReceiver>>
let files: Awaited<ReturnType<typeof startFileServer>>
beforeAll(async () => {
  home = await createHome({ ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password })
  // Whoever answers may repeat what was said.
  receiver = await startReceiver(({ raw }) => ({ status: 200, body: raw.toString() }))
  files = await startFileServer({
    [`${JOHN.words[3]}.pdf`]: Buffer.concat([pdf, Buffer.from(`% ${JOHN.words[3]}`)]),
    [`${MARY.words[3]}.pdf`]: Buffer.concat([pdf, Buffer.from(`% ${MARY.words[3]}`)]),
  })
})
afterAll(async () => {
  await home.remove()
  await receiver.close()
  await files.close()
})

/** Files below a folder in which one of some texts stands, in whatever case. */
const filesWith = async (folder: string, texts: readonly string[]): Promise<string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const found: string[] = []
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name)
    const content = (await readFile(path)).toString('latin1').toLowerCase()
    if (texts.some((text) => content.includes(text))) found.push(path)
  }
  return found
}

/** An automation that repeats what is said, and sends a file. */
const automate = (admin: Client, instance: string) =>
  admin.post(`/instances/${instance}/automations`, {
    name: 'Echo',
    kind: 'flow',
    enabled: true,
    definition: {
      trigger: { type: 'any' },
      steps: [
        { type: 'reply', text: 'You said {{text}}' },
        { type: 'ask', text: 'And then, {{name}}?', save_as: 'next' },
        { type: 'reply', text: 'So {{next}}' },
      ],
    },
  })

const write = (admin: Client, instance: string, { phone, name, said }: typeof JOHN, more = {}) =>
  admin.post(`/sandbox/instances/${instance}/incoming`, { from: phone, name, text: said, ...more })

/** A conversation with texts, a file, a contact with notes, webhooks and a run that waits; it can be searched. */
const talk = async (admin: Client, instance: string, person: typeof JOHN): Promise<string> => {
  const before = receiver.received.length
  expect((await write(admin, instance, person)).status).toBe(200)
  const outbox = async () => {
    const { body } = await admin.get(`/sandbox/instances/${instance}/outbox`)
    return body.data.messages.filter(({ to }: { to: string }) => to === person.phone)
  }
  await vi.waitFor(async () => expect(await outbox()).toHaveLength(2), PATIENCE)
  const { body: list } = await admin.get(`/conversations?search=${person.phone}`)
  const { id } = list.data[0]
  await admin.post(`/conversations/${id}/automation/pause`, { reason: person.said })
  const sent = await admin.post('/send-media', {
    recipient: person.phone,
    media_type: 'document',
    media_url: `${files.url}/${person.words[3]}.pdf`,
    caption: person.said,
    filename: `${person.words[3]}.pdf`,
  })
  expect(sent.status, JSON.stringify(sent.body)).toBe(200)
  const contact = await vi.waitFor(async () => {
    const { body } = await admin.get(`/contacts?search=${person.phone}`)
    expect(body.data).toHaveLength(1)
    return body.data[0]
  }, PATIENCE)
  await admin.put(`/contacts/${contact.id}`, { notes: person.notes })
  const { body: found } = await admin.get(`/messages/search?q=${person.words[0]}`)
  expect(JSON.stringify(found)).toContain(person.words[0])
  const timesTold = (type: string) =>
    receiver.received.slice(before).filter(({ event }) => event === type).length
  await vi.waitFor(
    () => expect(['message.sent', 'contact.update'].map(timesTold), 'all is told').toEqual([3, 2]),
    PATIENCE,
  )
  return String(id)
}

const erase = (...args: string[]) =>
  startCommand(['erase', ...args], { DATA_DIR: home.dataDir, ADMIN_EMAIL: ADMIN.email })

it(
  'an erased person is found in no file of a server that runs, and is somebody new when they write again',
  async () => {
    const program = await home.start()
    const admin = await login(program.url, ADMIN.email, ADMIN.password)
    const instance = await createConnectedInstance(admin)
    await admin.put(`/instances/${instance}/webhook`, { webhook_url: receiver.url })
    await automate(admin, instance)
    const id = await talk(admin, instance, JOHN)
    const before = receiver.received.length
    // It also tells the planner which values are frequent.
    const first = startCommand(['replay'], { DATA_DIR: home.dataDir })
    expect(await first.ended, first.output()).toBe(0)

    expect((await admin.delete(`/conversations/${id}`)).status).toBe(200)
    const command = erase('--person', JOHN.phone, '--yes', '--vacuum')
    expect(await command.ended, command.output()).toBe(0)
    expect(command.output()).toContain('Erased: ')
    expect(await filesWith(home.dataDir, [...JOHN.words, JOHN.phone])).toEqual([])
    const later = receiver.received.slice(before).map(({ raw }) => raw.toString())
    expect(later.filter((body) => JOHN.words.some((word) => body.includes(word)))).toEqual([])

    expect((await write(admin, instance, { ...JOHN, name: 'New', said: 'hello again' })).status).toBe(200)
    const shown = async () => {
      const { body } = await admin.get(`/conversations/${id}/messages`)
      return body.data.messages.map(({ message_body }: { message_body: string }) => message_body)
    }
    await vi.waitFor(async () => expect(await shown()).toContain('You said hello again'), PATIENCE)
    const replay = startCommand(['replay'], { DATA_DIR: home.dataDir })
    expect(await replay.ended, replay.output()).toBe(0)
    expect((await shown())[0]).toBe('hello again')
    expect(await program.stop()).toBe(0)
    expect(await filesWith(home.dataDir, JOHN.words)).toEqual([])
  },
  LONG,
)

it(
  'killed at any moment, without a server, the same command finishes',
  async () => {
    const program = await home.start()
    const admin = await login(program.url, ADMIN.email, ADMIN.password)
    const { body } = await admin.get('/instances')
    await talk(admin, body.data.instances[0].uuid, MARY)
    await program.kill()
    expect(await filesWith(home.dataDir, MARY.words)).not.toEqual([])

    const args = ['--person', MARY.phone, '--yes', '--vacuum']
    for (const moment of ['erasing', 'waiting for', 'clearing 3 ']) {
      const command = erase(...args)
      await vi.waitFor(() => expect(command.output()).toContain(moment), PATIENCE)
      command.child.kill('SIGKILL')
      await command.ended
    }
    const last = erase(...args)
    expect(await last.ended, last.output()).toBe(0)
    expect(await filesWith(home.dataDir, [...MARY.words, MARY.phone])).toEqual([])
  },
  LONG,
)
