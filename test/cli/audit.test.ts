import { Kysely, PostgresDialect } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { audit, auditCommand } from '../../src/cli/audit/command.ts'
import { parseAuditArgs } from '../../src/cli/audit/options.ts'
import { loadConfig } from '../../src/config.ts'
import { contactId, conversationId, messageId, newId, publicEventId } from '../../src/domain/ids.ts'
import { createLog } from '../../src/log.ts'
import { NO_STREAM, START, type Recorded } from '../../src/ports/event-store.ts'
import type { Database } from '../../src/projections/database.ts'
import { projections } from '../../src/projections/index.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import { createReadModels } from '../../src/projections/read-models.ts'
import { eventsOf } from '../../src/read-log.ts'
import type { Json } from '../support/client.ts'
import { INSTANCE, JOHN, later, MARY, placeIn, TEAM, TENANT, toAppend } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { startCommand } from '../support/program.ts'
import { range } from '../support/range.ts'
import { ANN, ERASED, story, tellStory } from '../support/story.ts'
import { eventually } from '../support/eventually.ts'

const TIME_WIDTH = '2025-01-15T10:30:00.000Z'.length

/** The cells of CSV, line by line: quoted ones may hold quotes, commas and line ends. */
const cellsOf = (text: string) => {
  const rows: string[][] = [[]]
  for (const [, quoted, plain = '', end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain)
    if (end === '\n') rows.push([])
  }
  const [head = [], ...records] = rows.slice(0, -1)
  return records.map((cells) => Object.fromEntries(head.map((name, n) => [name, cells[n] ?? ''])))
}

const { auditEvents, accounts, automations, conversations, tags, tenants } = projections
const others: readonly AnyProjection[] = [accounts, automations, conversations, tags, tenants]

/** A log with the story, and the read models that are asked; the index of the log may know nothing of it. */
const told = async ({ indexed = true } = {}) => {
  const log = await testLog()
  await tellStory(log.store)
  const readModels = createReadModels({ ...log, onChanged: () => {}, onError: () => {} })
  await readModels.prepare()
  await rebuild(indexed ? [...others, auditEvents] : others, log)
  return log
}

const screenOf = (said: { out: string; progress: string }) => ({
  out: { write: (text: string) => void (said.out += text) },
  progress: { write: (text: string) => void (said.progress += text) },
})
const start = (log: TestLog, args: string[], signal = new AbortController().signal) => {
  const said = { out: '', progress: '' }
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: log.pool }) })
  const opened = { storage: log, db, screen: screenOf(said) }
  return { said, running: audit(opened, parseAuditArgs(args).values, signal) }
}
const run = async (log: TestLog, args: string[]) => {
  const { said, running } = start(log, args)
  await running
  return said
}
const outputOf = async (log: TestLog, ...args: string[]) => (await run(log, args)).out
const jsonOf = async (log: TestLog, ...args: string[]): Promise<Json[]> =>
  (await outputOf(log, ...args, '--as', 'jsonl'))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
const wholeLog = async ({ store }: TestLog) => {
  const events: Recorded[] = []
  for await (const event of eventsOf(store, START, await store.head())) events.push(event)
  return events
}

test('a timeline says when, who, what and why, aligned, oldest first', async () => {
  const log = await told()
  const lines = (await outputOf(log, '--conversation', conversationId(INSTANCE, TEAM))).trimEnd().split('\n')
  expect(lines[0]).toBe(
    `${later(30)}  gateway                 Conversation 2 with group 120363001234567890 began  ← WhatsApp test`,
  )
  expect(lines).toContain(
    `${later(38)}  gateway                 Message 5 was edited: “all of you”  ← WhatsApp test`,
  )
  const times = lines.map((line) => line.slice(0, TIME_WIDTH))
  expect(times).toEqual(times.toSorted())
  expect(await outputOf(log, '--conversation', '2')).toBe(`${lines.join('\n')}\n`)
})

test('a line is one line, and nothing in it works on the terminal, whatever others wrote', async () => {
  const log = await told()
  const stream = `message-${messageId(INSTANCE, 'hi')}`
  const revision = (await log.store.readStream(stream)).length - 1
  const reaction = {
    ...{ ...placeIn(JOHN), conversationNumber: 1, targetWhatsappId: 'hi', by: MARY, fromMe: false },
    ...{ emoji: '\u001b[1A\u001b[2K\r=1+1\u202e\u0085\u2028faked', at: later(90) },
  }
  const event = toAppend({ type: 'MessageReacted', data: reaction }, { at: later(90) })
  await log.store.append(stream, revision, [event])
  await rebuild([auditEvents], log)
  const timeline = await outputOf(log, '--type', 'MessageReacted', '--limit', '1')
  const chain = (await command(log, 'causes', event.id)).out
  for (const text of [timeline, chain]) {
    expect(text).toContain('reacted with')
    expect(text).toMatch(/=1\+1 +faked/)
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e\u2028]/u)
  }
  expect(timeline.match(/\n/g)).toHaveLength(1)
  const table = await outputOf(log, '--type', 'MessageReacted', '--limit', '1', '--as', 'csv')
  expect(table, 'nor in a spreadsheet: it is within quotes').toMatch(/,"5511888888888 reacted with [^"]*\r=1/)
})

test('JSON lines have all there is, and the tenant', async () => {
  const log = await told()
  const events = await wholeLog(log)
  const lines = await jsonOf(log)
  expect(lines.map(({ id }) => id as string)).toEqual(events.map(({ id }) => id))
  const hi = lines.find(({ stream }) => stream === `message-${messageId(INSTANCE, 'hi')}`)
  expect(hi).toMatchObject({
    tenant_id: TENANT,
    at: later(10),
    type: 'MessageReceived',
    summary: 'Message 1 came from 5511999999999, a text: “hi”',
    actor: { kind: 'gateway', id: null, name: null },
    cause: { correlation_id: 'test', causation_id: null, type: null, stream: null },
    revision: 0,
    data: { number: 1, content: { kind: 'text', text: 'hi' } },
  })
  expect(hi.about).toEqual(expect.arrayContaining([INSTANCE, conversationId(INSTANCE, JOHN)]))
  expect(lines.find(({ type }) => type === 'UserCreated').data.passwordHash).toBe('[hidden]')
})

test('CSV has a line for each event under a head, and no cell that a spreadsheet would run', async () => {
  const log = await told()
  const formula = { type: 'TagCreated', data: { name: '=1+1', color: '#000000', at: later(1) } } as const
  await log.store.append('tag-550e8400-e29b-41d4-a716-446655440701', NO_STREAM, [toAppend(formula)])
  const text = await outputOf(log, '--as', 'csv', '--type', 'TagCreated,MessageReceived')
  const rows = cellsOf(text)
  const events = (await wholeLog(log)).filter(({ type }) => ['TagCreated', 'MessageReceived'].includes(type))
  expect(rows.map(({ id }) => id)).toEqual(events.map(({ id }) => id))
  expect(rows[0]).toMatchObject({
    tenant_id: TENANT,
    at: later(10),
    type: 'MessageReceived',
    actor_kind: 'gateway',
    correlation_id: 'test',
    revision: '0',
    erased: 'false',
  })
  expect(JSON.parse(rows.at(-1)?.['data'] ?? '')).toMatchObject({ name: '=1+1' })
  expect(text).not.toMatch(/(^|,)=/m)
})

test('where the index lags behind, or is empty, the rest comes from the log: the same lines, and a word about it', async () => {
  const [indexed, empty] = [await told(), await told({ indexed: false })]
  const john = conversationId(INSTANCE, JOHN)
  const archived = { type: 'ConversationArchived', data: { at: later(90) } } as const
  for (const log of [indexed, empty]) {
    const revision = (await log.store.readStream(`conversation-${john}`)).length - 1
    await log.store.append(`conversation-${john}`, revision, [toAppend(archived, { at: later(90) })])
  }
  const questions = [
    [],
    ['--conversation', john],
    ['--instance', INSTANCE, '--type', 'MessageReceived'],
    ['--from', later(20), '--to', later(38)],
    ['--actor', 'gateway', '--limit', '12'],
    ['--limit', '3'],
  ]
  for (const args of questions) {
    const lines = await outputOf(indexed, ...args)
    expect(lines).not.toBe('')
    expect(await outputOf(empty, ...args), args.join(' ')).toBe(lines)
  }
  const ofJohn = (await jsonOf(indexed, '--conversation', john)).map(({ type }) => type as string)
  expect(ofJohn.at(-1)).toBe('ConversationArchived')
  expect(ofJohn.length).toBeGreaterThan(20)
  await empty.pool.query('alter sequence event_position_seq restart with 5000')
  await empty.store.append('tag-550e8400-e29b-41d4-a716-446655440702', NO_STREAM, [
    toAppend({ type: 'TagCreated', data: { name: 'x', color: '#000000', at: later(1) } }),
  ])
  expect((await run(empty, [])).progress).toMatch(/knows it up to 0 of 5000: the rest is read from the log/)
})

test('what was deleted is found by its number as well as by its id', async () => {
  const log = await told()
  for (const [thing, number, id] of [
    ['--conversation', '3', conversationId(INSTANCE, ERASED)],
    ['--contact', '3', contactId(INSTANCE, ANN)],
  ] as const) {
    const lines = await outputOf(log, thing, id)
    expect(lines).toContain('eleted')
    expect(await outputOf(log, thing, number)).toBe(lines)
  }
  await expect(run(log, ['--conversation', '999'])).rejects.toThrow('Conversation not found')
})

test('the newest so many are told oldest first', async () => {
  const log = await told()
  const all = await jsonOf(log)
  expect(await jsonOf(log, '--limit', '5')).toEqual(all.slice(-5))
  const received = all.filter(({ type }) => type === 'MessageReceived')
  expect(await jsonOf(log, '--type', 'MessageReceived', '--limit', '2')).toEqual(received.slice(-2))
})

test('followed, it goes on with what comes', async () => {
  const log = await told()
  const stop = new AbortController()
  const { said, running } = start(log, ['--follow', '--type', 'TagCreated', '--limit', '1'], stop.signal)
  await eventually(() => expect(said.out.split('\n')).toHaveLength(2))
  for (const n of [1, 2]) {
    const event = { type: 'TagCreated', data: { name: `new ${n}`, color: '#000000', at: later(1) } } as const
    await log.store.append(`tag-550e8400-e29b-41d4-a716-44665544080${n}`, NO_STREAM, [toAppend(event)])
    await eventually(() => expect(said.out).toContain(`Made tag “new ${n}”`))
  }
  stop.abort()
  await running
})

const command = async (log: TestLog, ...args: string[]) => {
  const said = { out: '', progress: '' }
  const config = loadConfig({ DATABASE_URL: log.url })
  const code = await auditCommand.run({ args, config, log: createLog('silent'), screen: screenOf(said) })
  return { code, ...said }
}

test('what is no filter, format or id is refused with words before anything is opened', async () => {
  const log = await testLog()
  for (const [args, words] of [
    [['--as', 'xml'], /--as is one of timeline, jsonl, csv/],
    [['--type', 'MessageEaten'], /--type is one of/],
    [['--from', 'yesterday'], /--from is a day such as/],
    [['--from', '7'], /--from is a day such as/],
    [['--to', '2026-02-30'], /--to is a day such as/],
    [['--to', '2026-02-03T08:00:00'], /--to is a day such as/],
    [['--limit', '0'], /--limit is a number from 1/],
    [['--colour', 'red'], /Unknown option '--colour'/],
    [['dance'], /does not know what to do with dance/],
    [['causes'], /needs an id/],
  ] as const)
    await expect(command(log, ...args)).rejects.toThrow(words)
})

test('as a command it opens what the settings name, and follows causes', async () => {
  const log = await told()
  onTestFinished(() => expect(log.errors).toEqual([]))
  const { code, out } = await command(log, '--tenant', TENANT, '--type', 'ConversationDeleted')
  expect({ code, out }).toEqual({
    code: 0,
    out: `${later(37)}  gateway                 Deleted the conversation  ← WhatsApp test\n`,
  })
  const [hi] = await log.store.readStream(`message-${messageId(INSTANCE, 'hi')}`)
  const answer = toAppend(
    { type: 'ContactDeleted', data: { at: later(91) } },
    { actor: { kind: 'system' }, at: later(91), causation: hi?.id ?? '' },
  )
  await log.store.append('contact-550e8400-e29b-41d4-a716-446655440703', NO_STREAM, [answer])
  await rebuild([auditEvents], log)
  expect((await command(log, 'causes', answer.id)).out).toBe(
    [
      `ContactDeleted ${answer.id}`,
      `  ${later(91)}  system: Deleted the contact`,
      '  contact-550e8400-e29b-41d4-a716-446655440703, revision 0',
      `← MessageReceived ${hi?.id}`,
      `    ${later(10)}  gateway: Message 1 came from 5511999999999, a text: “hi”`,
      `    ${hi?.stream}, revision 0`,
      '← WhatsApp test by gateway, WhatsApp message hi',
      '',
    ].join('\n'),
  )
  const chain = (await command(log, 'causes', hi?.id ?? '')).out
  expect(
    (await command(log, 'causes', publicEventId(hi?.id ?? '', 0))).out,
    'of a webhook that is not kept',
  ).toBe(chain)
  const circle = range(2).map(() => newId())
  const round = circle.map((id, n) => ({
    ...answer,
    id,
    meta: { ...answer.meta, causation: circle[1 - n] ?? '' },
  }))
  await log.store.append('contact-550e8400-e29b-41d4-a716-446655440704', NO_STREAM, round)
  await rebuild([auditEvents], log)
  const lines = (await command(log, 'causes', circle[0] ?? '')).out.trimEnd().split('\n')
  expect(lines.at(-1), 'a circle has no first cause').toMatch(/^← event .* too far back$/)
  await expect(command(log, 'causes', messageId(INSTANCE, 'nobody'))).rejects.toThrow(/Nothing is known of/)
  await expect(command(log, '--tenant', '77')).rejects.toThrow('There is no tenant 77.')
})

test('as a process it has nothing on standard output but its answer', async () => {
  const log = await testLog()
  await tellStory(log.store)
  const { child, ended, output } = startCommand(['audit', '--as', 'jsonl'], { DATABASE_URL: log.url })
  let answer = ''
  child.stdout.on('data', (part: Buffer) => (answer += part.toString()))
  expect(await ended).toBe(0)
  expect(output(), 'there was something to log').toContain('"level":"warn"')
  const lines: Json[] = answer
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.map(({ type }) => type as string)).toEqual(story.map(([, { type }]) => type))
})

test('as a process beside a server it shows whose each line is, and ends quietly when nobody reads on', async () => {
  const log = await told()
  const second = '0190d0a0-0000-7000-8000-000000000002'
  const made = {
    type: 'TenantCreated',
    data: { number: 2, name: 'Second', timeZone: 'UTC', at: later(95) },
  } as const
  await log.store.append(`tenant-${second}`, NO_STREAM, [toAppend(made, { tenant: second, at: later(95) })])
  await rebuild([tenants], log)
  const [whole, head] = [0, 1].map(() => startCommand(['audit'], { DATABASE_URL: log.url }))
  head?.child.stdout.destroy()
  expect(await whole?.ended).toBe(0)
  const lines = whole?.output().trimEnd().split('\n') ?? []
  expect(lines).toHaveLength(story.length + 1)
  expect(lines[0]).toBe(
    `${later(0)}  Acme            gateway                 Made tenant 1 “Acme”  ← WhatsApp test`,
  )
  expect(lines.at(-1)).toContain('  Second          gateway')
  expect(await head?.ended).toBe(0)
})
