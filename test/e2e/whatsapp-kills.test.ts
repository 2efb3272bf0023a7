import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { login, type Client } from '../support/client.ts'
import { createTestDatabase } from '../support/database.ts'
import type { Program } from '../support/program.ts'
import { range } from '../support/range.ts'
import { startReceiver, type Received } from '../support/receiver.ts'
import { startWhatsAppProcess } from '../support/whatsapp-process.ts'
import { holdDatabase, type HeldDatabase } from './held-database.ts'
import { ADMIN, createHome } from './home.ts'
import { createLinkedInstance } from './linked.ts'
import { callerOf, PATIENCE } from './main-job.ts'

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 })

const SHOP = '5511900000000'
const PEOPLE = ['5511900000001', '5511900000002', '5511900000003']
const [MARIA = ''] = PEOPLE

/** WhatsApp, and a program linked to an account there that can be killed; who calls it calls whichever runs. */
const startShop = async (environment: Record<string, string> = {}) => {
  const whatsApp = await startWhatsAppProcess()
  const { control } = whatsApp
  for (const phoneNumber of [SHOP, ...PEOPLE]) await control.person({ name: `P${phoneNumber}`, phoneNumber })
  const home = await createHome({
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    WEBHOOK_TIMEOUT_SECONDS: '1',
    WEBHOOK_RETRY_SECONDS: `0.05,0.05,0.1,0.2,${Array(20).fill('0.5').join(',')}`,
    ...whatsApp.environment,
    ...environment,
  })
  const outputs: (() => string)[] = []
  const begin = async () => {
    const program = await home.start()
    outputs.push(program.output)
    return program
  }
  let running: Promise<Program> = begin()
  const admin = await login((await running).url, ADMIN.email, ADMIN.password)
  const instance = await createLinkedInstance(admin, whatsApp, SHOP)
  /** Webhooks that are not answered. */
  const silent = new Set<string>()
  const receiver = await startReceiver(({ data }) =>
    silent.has(idOf(data)) ? { status: 200, delayMs: 30_000 } : { status: 200 },
  )
  await admin.put(`/instances/${instance}/webhook`, {
    webhook_url: receiver.url,
    events: ['message.received', 'message.sent'],
  })
  const { once, persistently } = callerOf({
    url: async () => (await running).url,
    token: admin.token ?? '',
    disturb: () => Promise.resolve(),
  })
  const toldIds = (event: string) =>
    receiver.received.filter((one) => one.event === event).map(({ data }) => idOf(data))

  return {
    whatsApp,
    control,
    instance,
    receiver,
    silent,
    once,
    persistently,
    get: async (path: string) => (await persistently((client: Client) => client.get(path))).body,
    start: async () => {
      running = begin()
      await running
    },
    kill: async () => (await running).kill(),
    /** Killed, and started at once. */
    restart: async () => {
      running = running.then((program) => program.kill()).then(begin)
      await running
    },
    toldIds,
    untilTold: (event: string, ids: readonly string[]) =>
      vi.waitFor(() => {
        const missing = new Set(ids)
        for (const id of toldIds(event)) missing.delete(id)
        expect([...missing], `${event} missing`).toEqual([])
      }, PATIENCE),
    /** Takes a message under a key, called as often as it needs; answers its WhatsApp id. */
    send: async (recipient: string, message: string, key: string): Promise<string> => {
      const body = { instance_id: instance, recipient, message, queue: true }
      const answer = await persistently((client) =>
        client.post('/send-message', body, { 'idempotency-key': key }),
      )
      expect([200, 202], JSON.stringify(answer.body)).toContain(answer.status)
      return answer.body.message_id
    },
    /** What the programs have logged. */
    log: () => outputs.map((output) => output()).join('\n'),
    remove: async () => {
      await home.remove()
      await Promise.all([whatsApp.stop(), receiver.close()])
    },
  }
}
type Shop = Awaited<ReturnType<typeof startShop>>

const idOf = (data: Received['data']) => String(data['whatsapp_message_id'])

/** Those of a list that are in another one, each where it comes first. */
const firstOf = (all: readonly string[], known: readonly string[]) => [
  ...new Set(all.filter((one) => known.includes(one))),
]

/** Everything that the API has of a chat, oldest first. */
const messagesIn = async (shop: Shop, chat: string) => {
  const { data } = await shop.get(`/conversations?instance_id=${shop.instance}&per_page=100`)
  const found = (data as { id: string; contact_number: string }[]).find(({ contact_number }) =>
    chat.startsWith(contact_number),
  )
  if (!found) throw new Error(`No conversation with ${chat} in ${JSON.stringify(data)}`)
  const page = await shop.get(`/conversations/${found.id}/messages?limit=100`)
  return page.data.messages as {
    whatsapp_message_id: string
    direction: string
    status: string
    message_body: string
  }[]
}

/** What people wrote and what they were sent, in each chat in its order. */
type Expected = Map<string, { written: string[]; sent: { id: string; text: string }[] }>

/** Each message once on the phone and in the API, told at least once, and all in the order of their chats. */
const expectAll = async (shop: Shop, chats: Expected) => {
  await shop.untilTold(
    'message.received',
    [...chats.values()].flatMap(({ written }) => written),
  )
  await shop.untilTold(
    'message.sent',
    [...chats.values()].flatMap(({ sent }) => sent.map(({ id }) => id)),
  )
  for (const [chat, { written, sent }] of chats) {
    expect(firstOf(shop.toldIds('message.received'), written), `webhooks of ${chat}`).toEqual(written)
    const sentIds = sent.map(({ id }) => id)
    const reader = chat.endsWith('@g.us') ? MARIA : chat
    const inbox = (await shop.control.inbox({ person: reader })).filter(
      ({ from, id }) => from === SHOP && sentIds.includes(id),
    )
    expect(
      inbox.map(({ id }) => id),
      `on the phone of ${chat}`,
    ).toEqual(sentIds)
    expect(inbox.map(({ text }) => text)).toEqual(sent.map(({ text }) => text))
    const kept = await messagesIn(shop, chat)
    const keptIds = kept.map((one) => one.whatsapp_message_id)
    expect(keptIds.toSorted(), `the API has of ${chat}`).toEqual([...written, ...sentIds].toSorted())
    expect(keptIds.filter((id) => written.includes(id))).toEqual(written)
    expect(keptIds.filter((id) => sentIds.includes(id))).toEqual(sentIds)
    expect(kept.filter(({ status }) => status === 'failed' || status === 'queued')).toEqual([])
  }
  // Nothing came to the phones that was not sent.
  const texts = new Set([...chats.values()].flatMap(({ sent }) => sent.map(({ text }) => text)))
  for (const person of PEOPLE)
    for (const { from, text } of await shop.control.inbox({ person }))
      if (from === SHOP) expect(texts).toContain(text)
  expect(await shop.control.errors()).toEqual([])
}

describe('while messages go both ways in several chats', () => {
  const ROUNDS = 6
  /** In each chat, each way. */
  const EACH = 3
  let shop: Shop
  let chats: Expected
  beforeAll(async () => {
    shop = await startShop()
    const { group } = await shop.control.createGroup({
      by: MARIA,
      subject: 'Everybody',
      members: [SHOP, ...PEOPLE.slice(1)],
    })
    chats = new Map([...PEOPLE, group].map((chat) => [chat, { written: [], sent: [] }]))
  })
  afterAll(() => shop?.remove())

  const talk = async (count: number, progress: () => void) => {
    const each = [...chats].flatMap(([chat, { written, sent }]) => [
      async () => {
        const from = chat.endsWith('@g.us') ? MARIA : chat
        const to = chat.endsWith('@g.us') ? chat : SHOP
        for (const _ of range(count)) {
          written.push(await shop.control.write({ from, to, text: `written ${randomUUID()}` }))
          progress()
        }
      },
      async () => {
        for (const _ of range(count)) {
          const text = `sent ${randomUUID()}`
          sent.push({ id: await shop.send(chat, text, text), text })
          progress()
        }
      },
    ])
    await Promise.all(each.map((one) => one()))
  }

  it('killed at any moment, the program loses nothing, repeats nothing, and keeps the order', async () => {
    let done = 0
    const told = () => done + shop.receiver.received.length
    const talking: Promise<void>[] = []
    for (const round of range(ROUNDS)) {
      const moment = told() + randomInt(1, EACH * chats.size * 3)
      const before = talking.at(-1) ?? Promise.resolve()
      talking.push(before.then(() => talk(EACH, () => void done++)))
      if (round === ROUNDS - 1) break
      await vi.waitFor(() => expect(told()).toBeGreaterThanOrEqual(moment), { ...PATIENCE, interval: 1 })
      await shop.restart()
    }
    await Promise.all(talking)
    await expectAll(shop, chats)
  })

  it('when WhatsApp itself is gone for a while, everything arrives once it is back', async () => {
    await shop.control.goAway()
    await talk(EACH, () => undefined)
    await shop.control.comeBack()
    await expectAll(shop, chats)
  })
})

describe('killed at a certain step', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let held: HeldDatabase
  let shop: Shop
  let group: string
  beforeAll(async () => {
    database = await createTestDatabase()
    held = await holdDatabase(database.url)
    shop = await startShop({ DATABASE_URL: database.url, ENCRYPTION_KEY: randomBytes(32).toString('base64') })
    group = (await shop.control.createGroup({ by: MARIA, subject: 'Everybody', members: [SHOP] })).group
    await Promise.all([MARIA, group].map((chat) => arrives(chat)))
  })
  afterAll(async () => {
    await held?.close()
    await shop?.remove()
    await database?.drop()
  })

  const write = (chat: string) =>
    shop.control.write({
      from: MARIA,
      to: chat === group ? group : SHOP,
      text: `written ${randomUUID()}`,
    })
  const arrives = async (chat: string) => {
    const id = await write(chat)
    await shop.untilTold('message.received', [id])
    return id
  }
  /** Nothing of what it was about to do is done. */
  const kill = async () => {
    await shop.kill()
    await held.endStatements()
  }
  const start = async () => {
    await held.endLeases()
    await shop.start()
  }
  /** It is in the API once, before what was written after it, and in the journal no more. */
  const expectOnce = async (chat: string, id: string) => {
    await shop.untilTold('message.received', [id])
    const after = await arrives(chat)
    const ids = (await messagesIn(shop, chat)).map((one) => one.whatsapp_message_id)
    expect(ids.slice(-2)).toEqual([id, after])
    expect(new Set(ids).size).toBe(ids.length)
    await vi.waitFor(async () => expect(await held.journalled()).toBe(0), PATIENCE)
    expect(await shop.control.errors()).toEqual([])
  }
  const acknowledged = () =>
    vi.waitFor(async () => expect(await shop.control.waiting({ person: SHOP })).toBe(0), PATIENCE)

  describe.each([
    { what: 'a person', chatOf: () => MARIA },
    { what: 'a group', chatOf: () => group },
  ])('of a message of $what', ({ chatOf }) => {
    it('before it is in the journal: WhatsApp gives it again', async () => {
      const letGo = await held.holdKeys()
      const id = await write(chatOf())
      await held.untilHeld('whatsapp_key')
      await kill()
      await letGo()
      expect(await held.journalled()).toBe(0)
      await start()
      await expectOnce(chatOf(), id)
    })

    it('once it is in the journal and before WhatsApp knows: it is told from there, and what comes again is the same', async () => {
      const letGo = await held.holdKeys()
      const id = await write(chatOf())
      await held.untilHeld('whatsapp_key')
      await shop.kill()
      await letGo()
      // The database does what it was asked to, whether or not anybody waits for it.
      await vi.waitFor(async () => expect(await held.journalled()).toBe(1), PATIENCE)
      expect(await shop.control.waiting({ person: SHOP })).toBeGreaterThan(0)
      await start()
      await expectOnce(chatOf(), id)
    })

    it('once WhatsApp knows and before it is in the log: it is told from the journal', async () => {
      const letGo = await held.holdAppends()
      const id = await write(chatOf())
      await held.untilHeld('append_events')
      await acknowledged()
      await kill()
      await letGo()
      expect(await held.journalled()).toBe(1)
      expect(shop.toldIds('message.received')).not.toContain(id)
      await start()
      await expectOnce(chatOf(), id)
    })

    it('once it is in the log and before the journal knows: it is not told again', async () => {
      const letAppend = await held.holdAppends()
      const id = await write(chatOf())
      await held.untilHeld('append_events')
      await acknowledged()
      const letSettle = await held.holdJournal()
      await letAppend()
      await held.untilHeld('delete from whatsapp_inbound')
      await kill()
      await letSettle()
      expect(await held.journalled()).toBe(1)
      await start()
      await expectOnce(chatOf(), id)
    })
  })

  it('while a webhook is on its way: it comes again', async () => {
    const id = `3EB0${randomBytes(9).toString('hex').toUpperCase()}`
    shop.silent.add(id)
    await shop.control.write({ from: MARIA, to: SHOP, text: 'silence', id })
    await shop.untilTold('message.received', [id])
    await kill()
    shop.silent.delete(id)
    const before = shop.toldIds('message.received').filter((one) => one === id).length
    await start()
    await vi.waitFor(
      () =>
        expect(shop.toldIds('message.received').filter((one) => one === id).length).toBeGreaterThan(before),
      PATIENCE,
    )
    await expectOnce(MARIA, id)
  })

  it('at a login with a backlog, again and again', async () => {
    await kill()
    const written = new Map<string, string[]>()
    for (const person of PEOPLE) {
      const ids: string[] = []
      for (const n of range(15))
        ids.push(await shop.control.write({ from: person, to: SHOP, text: `backlog ${n}` }))
      written.set(person, ids)
    }
    const all = [...written.values()].flat()
    for (const share of [0, 0.3]) {
      const toldBefore = () => firstOf(shop.toldIds('message.received'), all).length
      const ended = vi.waitFor(() => expect(toldBefore()).toBeGreaterThan(all.length * share), {
        ...PATIENCE,
        interval: 1,
      })
      await start()
      await ended
      await kill()
    }
    await start()
    await shop.untilTold('message.received', all)
    for (const [person, ids] of written) {
      expect(firstOf(shop.toldIds('message.received'), ids)).toEqual(ids)
      const kept = (await messagesIn(shop, person)).map((one) => one.whatsapp_message_id)
      expect(kept.filter((id) => ids.includes(id))).toEqual(ids)
    }
    await vi.waitFor(async () => expect(await held.journalled()).toBe(0), PATIENCE)
    expect(await shop.control.errors()).toEqual([])
  })

  describe('of a message that is sent', () => {
    // A receipt of the phone would tell the program that the message has arrived.
    beforeAll(() => shop.control.phone({ person: MARIA, answers: [] }))

    const body = (message: string) => ({ instance_id: shop.instance, recipient: MARIA, message, queue: true })
    const post = (text: string) =>
      shop.once((client) => client.post('/send-message', body(text), { 'idempotency-key': text }))
    /** Asked for again, it is on the phone once, under the id that is answered, and sent. */
    const expectSentOnce = async (text: string) => {
      await shop.control.refuseMessages({ code: null })
      await start()
      const id = await shop.send(MARIA, text, text)
      await shop.untilTold('message.sent', [id])
      const shown = (await shop.control.inbox({ person: MARIA })).filter((one) => one.text === text)
      expect(shown).toMatchObject([{ id, from: SHOP }])
      const kept = (await messagesIn(shop, MARIA)).filter((one) => one.message_body === text)
      expect(kept.map((one) => one.whatsapp_message_id)).toEqual([id])
      expect(kept.map((one) => one.status)).toEqual(['sent'])
      expect(await shop.control.errors()).toEqual([])
    }
    /** The phone has it, and the program has heard nothing of that. */
    const sendUnheard = async (text: string) => {
      await shop.control.refuseMessages({ code: '' })
      const answer = post(text)
      const { id } = await shop.control.received({ person: MARIA, text })
      return { answer, id }
    }

    it('before it is in the log', async () => {
      const text = `sent ${randomUUID()}`
      const letGo = await held.holdAppends()
      const answer = post(text)
      await held.untilHeld('append_events')
      await kill()
      await letGo()
      expect(await answer).toBeUndefined()
      await expectSentOnce(text)
    })

    it('once the phone has it and before WhatsApp has said so', async () => {
      const text = `sent ${randomUUID()}`
      const { answer } = await sendUnheard(text)
      await kill()
      expect(await answer).toBeUndefined()
      await expectSentOnce(text)
    })

    it('once WhatsApp has said so and before that is in the log', async () => {
      const text = `sent ${randomUUID()}`
      const { answer, id } = await sendUnheard(text)
      await vi.waitFor(async () => {
        const [message] = (await messagesIn(shop, MARIA)).filter((one) => one.message_body === text)
        expect(message).toBeDefined()
      }, PATIENCE)
      const letGo = await held.holdAppends()
      await shop.control.say({
        to: SHOP,
        stanza: { tag: 'ack', attrs: { class: 'message', id, from: MARIA } },
      })
      await held.untilHeld('append_events')
      await kill()
      await letGo()
      expect(await answer).toBeUndefined()
      await expectSentOnce(text)
    })
  })
})
