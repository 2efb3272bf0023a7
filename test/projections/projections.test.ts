import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPool } from '../../src/adapters/postgres/pool.ts'
import { postgresEventStore } from '../../src/adapters/postgres/event-store.ts'
import { contactId, conversationId, defaultWebhookId, messageId, userId } from '../../src/domain/ids.ts'
import { projections } from '../../src/projections/index.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { createReadModels } from '../../src/projections/read-models.ts'
import type { EventStore, Position } from '../../src/ports/event-store.ts'
import { createTestDatabase } from '../support/database.ts'
import { INSTANCE, JOHN, later, MARY, placeIn, TEAM, TENANT } from '../support/facts.ts'
import { allRows, inBatchesOf, tables } from '../support/rows.ts'
import {
  AUTOMATION,
  ERASED,
  HIDDEN,
  HIDDEN_MEDIA,
  KEPT_TOKEN,
  PICTURE,
  REVOKED_TOKEN,
  story,
  tellStory,
  TOKEN,
  UPLOAD,
  VIP,
  ZOE,
} from '../support/story.ts'

const errors: unknown[] = []
const open = async () => {
  const database = await createTestDatabase()
  const pool = createPool(database.url, { max: 15, onError: (error) => errors.push(error) })
  const store = postgresEventStore(pool, (error) => errors.push(error))
  const close = async () => {
    await store.close()
    await pool.end()
    await database.drop()
  }
  return { pool, store, end: await tellStory(store), close }
}
let log: Awaited<ReturnType<typeof open>>
beforeAll(async () => {
  log = await open()
  await project(log.store)
})
afterAll(() => log.close())

/** Runs all read models, by as many programs as there are stores, until each has come to the end of the story. */
const project = async (...stores: EventStore[]) => {
  const running = new AbortController()
  const programs = stores.map((store) =>
    createReadModels({ pool: log.pool, store, onChanged: () => {}, onError: (error) => errors.push(error) }),
  )
  for (const program of programs) await program.prepare()
  const stopped = programs.map((program) => program.run(running.signal))
  const reached = (end: Position) =>
    Promise.all(programs.map((program) => program.reached(end, 20_000, ...program.names)))
  expect(await reached(log.end)).toEqual(programs.map(() => true))
  running.abort()
  await Promise.all(stopped)
}

const startOver = async () => {
  for (const table of tables) await log.pool.query(`drop table public.${table}`)
  await log.pool.query('delete from checkpoint')
}

type Row = Record<string, unknown>
const row = async (table: string, id: string) => {
  const { rows } = await log.pool.query<Row>(`select * from ${table} where id::text = $1`, [id])
  return rows[0]
}
const message = (whatsappId: string) => row('message', messageId(INSTANCE, whatsappId))
const idsIn = async (table: string) =>
  (await log.pool.query<{ id: string }>(`select id::text from ${table} order by 1`)).rows.map(({ id }) => id)

describe('after a day of a small business', () => {
  test('tenants and accounts are known', async () => {
    expect(await row('tenant', TENANT)).toEqual({
      id: TENANT,
      number: 1,
      name: 'Acme',
      time_zone: 'UTC',
      disabled: true,
      created_at: later(0),
    })
    expect(await row('account', userId('ann@example.com'))).toMatchObject({
      number: 1,
      tenant_id: TENANT,
      email: 'ann@example.com',
      name: 'Ann',
      role: 'agent',
      password_hash: 'y',
      password_set_at: later(2),
      kept_token_id: KEPT_TOKEN,
      disabled: false,
    })
  })

  test('tokens are known by their hash, revoked ones as revoked', async () => {
    expect(await row('token', TOKEN)).toMatchObject({
      number: 1,
      kind: 'instance',
      instance_id: INSTANCE,
      user_id: null,
      hash: 'hash 1',
      revoked_at: null,
    })
    expect(await row('token', REVOKED_TOKEN)).toMatchObject({ hash: 'hash 2', revoked_at: later(4) })
  })

  test('instances are as they are connected, and deleted ones are gone', async () => {
    expect(await idsIn('instance')).toEqual([INSTANCE])
    expect(await row('instance', INSTANCE)).toMatchObject({
      number: 1,
      name: 'Shop',
      daily_limit: 500,
      status: 'offline',
      wanted: true,
      phone_number: '5511777777777',
      profile_name: 'Shop',
      qr: null,
      qr_at: null,
    })
  })

  test('the endpoint is as it was last configured', async () =>
    expect(await row('webhook_endpoint', defaultWebhookId(INSTANCE))).toMatchObject({
      instance_id: INSTANCE,
      url: 'https://example.com/hook',
      events: ['message.incoming'],
      names: { 'message.received': 'message.incoming' },
      active: false,
    }))

  test('conversations show the last message, the name of the other side and what is unread', async () => {
    expect(await row('conversation', conversationId(INSTANCE, JOHN))).toMatchObject({
      number: 1,
      chat: JOHN,
      contact_number: '5511999999999',
      name: 'John Doe',
      is_group: false,
      picture: PICTURE,
      last_message: 'waits',
      last_message_kind: 'location',
      last_message_number: 11,
      last_message_at: later(37),
      last_incoming_number: 9,
      unread_count: 2,
    })
    expect(await row('conversation', conversationId(INSTANCE, TEAM))).toMatchObject({
      number: 2,
      contact_number: '120363001234567890',
      name: 'Marketing Team',
      is_group: true,
      last_message: null,
      unread_count: 1,
      archived_at: later(38),
      automation: 'active',
    })
    expect(await row('conversation', conversationId(INSTANCE, JOHN))).toMatchObject({
      archived_at: null,
      automation: 'paused',
      paused_at: later(37),
      paused_by: { kind: 'gateway' },
      pause_reason: 'VIP client',
    })
  })

  test('contacts are known by the name that a user gave, by that of the address book, and by the one they gave themselves', async () => {
    expect(await row('contact', contactId(INSTANCE, JOHN))).toEqual({
      id: contactId(INSTANCE, JOHN),
      number: 1,
      tenant_id: TENANT,
      instance_id: INSTANCE,
      phone_number: '5511999999999',
      name: 'João Doe',
      push_name: 'John D.',
      book_name: null,
      business: false,
      email: null,
      company: 'Acme Inc',
      notes: null,
      saved: true,
      sort_name: 'joao doe',
      search: 'joao doe john d. 5511999999999',
      aliases: null,
      created_at: later(11),
    })
    expect(await row('contact', contactId(INSTANCE, MARY))).toMatchObject({
      number: 2,
      name: null,
      push_name: 'Mary',
      book_name: 'Mary of Acme',
      business: true,
      saved: false,
      sort_name: 'mary of acme',
      created_at: later(23),
    })
    expect(await idsIn('contact'), 'but for those that were deleted, or are others').toHaveLength(3)
  })

  test('what was one person all along is one conversation and one contact, with all that there was of both', async () => {
    const zoe = conversationId(INSTANCE, ZOE)
    const merged = conversationId(INSTANCE, HIDDEN)
    expect(await row('conversation', zoe)).toMatchObject({
      number: 5,
      chat: ZOE,
      contact_number: '5511555555555',
      last_message: 'late',
      last_message_number: 17,
      last_incoming_number: 17,
      unread_count: 3,
      aliases: [merged, '4'],
    })
    expect(await row('conversation', merged)).toBeUndefined()
    for (const text of ['from-hidden', 'from-zoe', 'to-hidden', 'late', 'long-ago'])
      expect(await message(text)).toMatchObject({ conversation_id: zoe, imported: text === 'long-ago' })
    for (const [table, id] of [
      ['outbox', messageId(INSTANCE, 'to-hidden')],
      ['message_search', messageId(INSTANCE, 'from-hidden')],
      ['message_search', messageId(INSTANCE, 'late')],
      ['media', HIDDEN_MEDIA],
    ] as const)
      expect(await row(table, id)).toMatchObject({ conversation_id: zoe })
    expect(await row('contact', contactId(INSTANCE, ZOE))).toMatchObject({
      number: 5,
      phone_number: '5511555555555',
      name: 'Zoe (hidden)',
      push_name: 'Zoe',
      notes: 'Pays late',
      saved: true,
      aliases: [contactId(INSTANCE, HIDDEN), '4'],
    })
    expect(await row('contact', contactId(INSTANCE, HIDDEN))).toBeUndefined()
  })

  test('files are known by what they are, and deleted ones are gone', async () => {
    expect(await idsIn('media')).toEqual([UPLOAD, HIDDEN_MEDIA])
    expect(await row('media', UPLOAD)).toMatchObject({
      tenant_id: TENANT,
      instance_id: INSTANCE,
      conversation_id: null,
      type: 'image',
      size: 70,
      filename: 'logo.png',
      key: `key of ${UPLOAD}`,
      created_at: later(34),
      expires_at: later(7 * 86_400),
    })
  })

  test('messages have their newest status', async () => {
    const whatsappIds = ['hi', 'photo', 'answer', 'voice', 'all', 'typed', 'poll', 'early', 'lost', 'waits']
    const found = await Promise.all(whatsappIds.map(message))
    expect(Object.fromEntries(found.map((one) => [one?.['whatsapp_id'], one?.['status']]))).toEqual({
      hi: 'received',
      photo: 'received',
      answer: 'read',
      voice: 'played',
      all: 'received',
      typed: 'sent',
      poll: 'received',
      early: 'received',
      lost: 'failed',
      waits: 'queued',
    })
    const ofZoe = 5
    expect(await idsIn('message')).toHaveLength(whatsappIds.length + ofZoe)
  })

  test('messages say what they are, who wrote them and what they answer', async () => {
    expect(await message('answer')).toMatchObject({
      number: 3,
      conversation_id: placeIn(JOHN).conversationId,
      direction: 'outgoing',
      sender_jid: null,
      kind: 'text',
      body: 'answer',
      reply_to: 'hi',
      mentions: ['5511888888888@s.whatsapp.net'],
      error: null,
      at: later(15),
      updated_at: later(19),
    })
    expect(await message('photo')).toMatchObject({
      direction: 'incoming',
      sender_jid: JOHN,
      sender_name: 'John D.',
      kind: 'image',
      body: 'Look',
      media_url: 'https://example.com/a.jpg',
      mime_type: 'image/jpeg',
    })
    expect(await message('lost')).toMatchObject({ error: 'no such number' })
    expect(await message('poll')).toMatchObject({ kind: 'other', body: null, details: { other: 'poll' } })
    expect(await message('early')).toMatchObject({
      kind: 'contact',
      body: 'early',
      details: { contacts: [{ display_name: 'early', vcard: 'BEGIN:VCARD' }] },
    })
    expect(await message('waits')).toMatchObject({
      kind: 'location',
      body: 'waits',
      details: { location: { latitude: -23.5, longitude: -46.6, name: 'waits', address: null } },
    })
  })

  test('edited messages have their new text, and of those taken back nothing is left but that they were', async () => {
    expect(await message('all')).toMatchObject({ body: 'all of you', edited_at: later(38), deleted_at: null })
    expect(await message('typed')).toMatchObject({ body: null, mentions: [], deleted_at: later(38) })
  })

  test('of a deleted conversation nothing is left: no messages, no tags, nothing to send', async () => {
    expect(await row('conversation', conversationId(INSTANCE, ERASED))).toBeUndefined()
    expect(await message('secret')).toBeUndefined()
    expect(await row('outbox', messageId(INSTANCE, 'unsent'))).toBeUndefined()
    expect(JSON.stringify(await allRows(log.pool))).not.toContain(ERASED.split('@')[0])
  })

  test('tags are as they were last changed, and stand on the conversations that carry them', async () => {
    expect(await idsIn('tag')).toEqual([VIP])
    expect(await row('tag', VIP)).toMatchObject({
      name: 'Very important',
      folded_name: 'very important',
      color: '#dc2626',
      created_at: later(37),
    })
    expect(await idsIn('conversation_tag')).toEqual(
      [ZOE, JOHN].map((chat) => `${conversationId(INSTANCE, chat)} ${VIP}`).toSorted(),
    )
  })

  test('reactions stand on the message they are about, but for those taken back', async () => {
    expect((await message('hi'))?.['reactions']).toEqual([
      { by: '5511999999999', name: null, from_me: false, emoji: '❤️', at: later(13) },
    ])
    expect((await message('early'))?.['reactions'], 'before the message').toMatchObject([{ emoji: '🎉' }])
    expect((await message('photo'))?.['reactions']).toMatchObject([{ by: '5511777777777', from_me: true }])
  })

  test('automations are as they were last changed; deleted ones are gone, with their instance too', async () => {
    expect(await idsIn('automation')).toEqual([AUTOMATION])
    expect(await row('automation', AUTOMATION)).toMatchObject({
      number: 1,
      tenant_id: TENANT,
      instance_id: INSTANCE,
      name: 'Hello',
      kind: 'flow',
      enabled: false,
      definition: { trigger: { type: 'any' }, steps: [{ type: 'reply', text: 'hi' }] },
      created_at: later(1),
      updated_at: later(9),
    })
  })

  test('the outbox holds what is still to be sent, and nothing else', async () => {
    expect(await idsIn('outbox')).toEqual(
      ['waits', 'to-hidden'].map((text) => messageId(INSTANCE, text)).toSorted(),
    )
    expect(await row('outbox', messageId(INSTANCE, 'waits'))).toMatchObject({
      number: 11,
      tenant_id: TENANT,
      instance_id: INSTANCE,
      whatsapp_id: 'waits',
      chat: JOHN,
      content: { kind: 'location', name: 'waits' },
      correlation: 'test',
    })
  })

  test('activity counts messages by what became of them, not reactions', async () => {
    const { rows } = await log.pool.query<Row>('select * from instance_activity')
    expect(rows).toMatchObject([
      {
        instance_id: INSTANCE,
        slot: later(0),
        queued: 6,
        sent: 3,
        delivered: 1,
        read: 1,
        played: 1,
        failed: 1,
        received: 9,
        last_at: later(40),
      },
    ])
  })
})

describe('rows depend on the events alone', () => {
  test.each([1, 2, 7, story.length])('not on how many come at once: %i', async (size) => {
    const before = await allRows(log.pool)
    await startOver()
    await project(inBatchesOf(size, log.store))
    expect(await allRows(log.pool)).toEqual(before)
  })

  test('not on how many programs project at the same time: no event counts twice', async () => {
    const before = await allRows(log.pool)
    await startOver()
    await project(inBatchesOf(3, log.store), inBatchesOf(2, log.store))
    expect(await allRows(log.pool)).toEqual(before)
  })

  test('not on being told again: a checkpoint that is kept skips what was told', async () => {
    const before = await allRows(log.pool)
    await project(log.store)
    expect(await allRows(log.pool)).toEqual(before)
  })

  test('every event that a projection knows is in the story', () => {
    const told = new Set<string>(story.map(([, { type }]) => type))
    const all: AnyProjection[] = Object.values(projections)
    const known = all.flatMap(({ on, sweeps = {} }) => [...Object.keys(on), ...Object.keys(sweeps)])
    expect(known.filter((type) => !told.has(type))).toEqual([])
  })
})

test('nothing went wrong on the way', () => expect(errors).toEqual([]))
