import { createHash, randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { appendFile, lstat, readdir, readFile, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { writeFile } from '../../src/cli/export/output.ts'
import { streamsOfConversation } from '../../src/cli/export/related.ts'
import { findConversation, findTenant } from '../../src/cli/find.ts'
import { checkExport, openExport } from '../../src/cli/import/export-file.ts'
import { addressId, contactId, conversationId, groupId, messageId } from '../../src/domain/ids.ts'
import { followLog, type Deployment } from '../../src/followed-log.ts'
import { NO_STREAM, type EventStore } from '../../src/ports/event-store.ts'
import { sealOf } from '../../src/seal.ts'
import { projections } from '../../src/projections/index.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import { placeOf, tellAgain, told } from '../support/copying.ts'
import { sharedEventStoreDb, testEventStore } from '../support/eventstoredb.ts'
import { AT, INSTANCE, JOHN, TEAM, TENANT, toAppend } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { checked, exported, imported, testFolder } from '../support/moving.ts'
import { allRows, rowsOf } from '../support/rows.ts'
import { sealedLog } from '../support/sealed.ts'
import { HIDDEN, HIDDEN_MEDIA, PICTURE, story, tellStory, VIP, ZOE } from '../support/story.ts'

const OTHER_TENANT = '0190d0a0-0000-7000-8000-000000000002'
const all: readonly AnyProjection[] = Object.values(projections)
/** Where the text of an event begins in its line. */
const EVENT_AT = 87
const server = sharedEventStoreDb()

const storyLog = async () => {
  const log = await testLog()
  await tellStory(log.store)
  return log
}
const rebuiltRows = async ({ pool, store }: Pick<Deployment, 'pool' | 'store'>) => {
  await rebuild(all, { pool, store })
  return allRows(pool)
}
const checkpointsOf = async ({ pool }: TestLog) =>
  (await pool.query<{ name: string; position: string }>('select name, position::text from checkpoint')).rows

/** The events of an export as text, without their checksums, which hang on the line before. */
const eventsIn = (text: string) => {
  const events = text.trimEnd().split('\n').slice(1, -1)
  return events.map((line) => line.slice(EVENT_AT, -1))
}

/** An export with its checksums made anew, as somebody does who wants to deceive. */
const signedAnew = (lines: readonly string[]) => {
  let checksum = ''
  const sign = (text: string) => (checksum = createHash('sha256').update(checksum).update(text).digest('hex'))
  const [header = '', ...events] = lines
  sign(header)
  const signed = events.map((line) => {
    const text = line.slice(EVENT_AT, -1)
    return `{"checksum":"${sign(text)}","event":${text}}`
  })
  return [header, ...signed, JSON.stringify({ events: signed.length, checksum }), ''].join('\n')
}

test('what is exported and imported gives the same events and the same read models, byte for byte; numbers go on', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  const text = await exported(source)
  const { events } = await imported(text, placeOf(target))
  expect(events).toBe(story.length)
  expect(await told(target.store)).toEqual(await told(source.store))
  expect(eventsIn(await exported(target)), 'it can be exported again').toEqual(eventsIn(text))
  await followLog(placeOf(target))
  expect(await checkpointsOf(target), 'nobody is told it again').toEqual([
    { name: 'reactions', position: String(story.length) },
  ])

  expect(await rebuiltRows(target)).toEqual(await rebuiltRows(source))
  const numbers = postgresNumbers(target.pool)
  await numbers.align()
  const { rows } = await target.pool.query<{ number: number }>('select max(number) as number from message')
  expect(await numbers('message')).toBe(Math.max(18, rows[0]?.number ?? 0) + 1)
})

test('what was in PostgreSQL is imported into EventStoreDB, and the other way round', async () => {
  const [source, beside, back] = [await storyLog(), await testLog(), await testLog()]
  const away = testEventStore(server.url())
  await imported(await exported(source), { kind: 'eventstoredb', store: away, pool: beside.pool })
  expect(await told(away)).toEqual(await told(source.store))
  await imported(await exported({ store: away }), placeOf(back))
  expect(await told(back.store)).toEqual(await told(source.store))
})

test('what is sealed leaves in plain and is sealed with keys of the new place; what is erased stays erased', async () => {
  const [source, target] = [await sealedLog(), await sealedLog()]
  await tellStory(source.store)
  const { keys } = source
  await keys.destroy(await keys.retire([conversationId(INSTANCE, JOHN), contactId(INSTANCE, ZOE)]))
  const text = await exported(source)
  await imported(text, { kind: 'postgres', store: target.stored, pool: target.pool }, target)

  const read = await told(target.store)
  expect(read).toEqual(await told(source.store))
  const erased = read.filter((event) => event.erased)
  expect(erased.length).toBeGreaterThan(10)
  expect(read.length - erased.length).toBeGreaterThan(10)
  expect(await rebuiltRows(target)).toEqual(await rebuiltRows(source))
  expect(eventsIn(await exported(target)), 'it can be exported again').toEqual(eventsIn(text))

  const keysIn = async (log: typeof source, wanted: boolean) => {
    const events = await told(log.stored)
    const ids = events.flatMap((event, n) =>
      (read[n]?.erased === true) === wanted ? (sealOf(event)?.key ?? []) : [],
    )
    return new Set(ids)
  }
  expect(await keysIn(target, true)).toEqual(await keysIn(source, true))
  const [before, after] = [await keysIn(source, false), await keysIn(target, false)]
  expect(after.size).toBe(before.size)
  expect([...after].filter((id) => before.has(id))).toEqual([])
  expect(text).toContain('"name":"Zoe (hidden)"')
  expect(JSON.stringify(await told(target.stored))).not.toContain('Zoe (hidden)')
})

test('a tenant is exported with all of its events and nothing of others', async () => {
  const [source, alone, target] = [await testLog(), await testLog(), await testLog()]
  const revisions = new Map<string, number>()
  for (const [stream, event] of story) {
    const revision = revisions.get(stream) ?? NO_STREAM
    revisions.set(stream, revision + 1)
    const mine = toAppend(event)
    await source.store.append(`${stream}-of-others`, revision, [toAppend(event, { tenant: OTHER_TENANT })])
    for (const { store } of [source, alone]) await store.append(stream, revision, [mine])
  }
  expect(await findTenant(source.store, TENANT.toUpperCase())).toBe(TENANT)
  await expect(findTenant(source.store, OTHER_TENANT)).rejects.toThrow(`There is no tenant ${OTHER_TENANT}`)
  await imported(await exported(source, { kind: 'tenant', id: TENANT }), placeOf(target))
  expect(await told(target.store)).toEqual(await told(alone.store))
})

test('a conversation is exported with what it takes to see it, whole, and with nothing else', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  const id = conversationId(INSTANCE, ZOE)
  expect(await findConversation(source.store, '5')).toBe(id)
  await expect(findConversation(source.store, '5', OTHER_TENANT)).rejects.toThrow('of that tenant')
  const hidden = await findConversation(source.store, '4', TENANT)
  expect(hidden).toBe(conversationId(INSTANCE, HIDDEN))
  const text = await exported(source, { kind: 'conversation', id })
  const same = await exported(source, { kind: 'conversation', id: hidden })
  expect(eventsIn(same), 'of those that were merged, any one may be named').toEqual(eventsIn(text))
  expect(JSON.parse(same.split('\n')[0] ?? '')).toMatchObject({
    format: 'zapini-export',
    scope: { kind: 'conversation', id: hidden },
  })

  await imported(text, placeOf(target))
  const copies = await told(target.store)
  const streams = [...new Set(copies.map(({ stream }) => stream))]
  const messages = ['from-hidden', 'from-zoe', 'to-hidden', 'late', 'long-ago']
  expect(streams.toSorted()).toEqual(
    [
      `tenant-${TENANT}`,
      `instance-${INSTANCE}`,
      `tag-${VIP}`,
      `address-${addressId(INSTANCE, HIDDEN)}`,
      `media-${HIDDEN_MEDIA}`,
      ...[HIDDEN, ZOE].flatMap((jid) => [
        `conversation-${conversationId(INSTANCE, jid)}`,
        `contact-${contactId(INSTANCE, jid)}`,
      ]),
      ...messages.map((text) => `message-${messageId(INSTANCE, text)}`),
    ].toSorted(),
  )
  expect(copies).toEqual((await told(source.store)).filter(({ stream }) => streams.includes(stream)))

  const [before, after] = [await rebuiltRows(source), await rebuiltRows(target)]
  const ofIt = (rows: Record<string, string[]>, table: string) =>
    rows[table]?.filter((row) => row.includes(id) || row.includes(hidden))
  for (const table of ['conversation', 'message', 'contact', 'conversation_tag', 'media'])
    expect(ofIt(after, table), table).toEqual(ofIt(before, table))
  expect(await rowsOf(target.pool, 'message')).toHaveLength(messages.length)
})

test('with a conversation come the runs and automations that it had, and what it had as a group, but no people in it', async () => {
  const { store } = await storyLog()
  const [id, automationId] = [conversationId(INSTANCE, ZOE), '550e8400-e29b-41d4-a716-446655440013']
  const started = {
    type: 'AutomationRunStarted',
    data: { runId: id, automationId, messageId: id, heardAt: AT, at: AT },
  } as const
  await store.append(`run-${id}`, NO_STREAM, [toAppend(started)])
  const streamsOf = async (chat: string) =>
    streamsOfConversation(store, conversationId(INSTANCE, chat), await store.head())
  expect([...(await streamsOf(ZOE))]).toEqual(
    expect.arrayContaining([`run-${id}`, `automation-${automationId}`]),
  )
  const ofJohn = await streamsOf(JOHN)
  expect(ofJohn).toContain(`media-${PICTURE.mediaId}`)
  const ofTeam = await streamsOf(TEAM)
  expect(ofTeam).toContain(`group-${groupId(INSTANCE, TEAM)}`)
  expect(ofTeam).not.toContain(`contact-${contactId(INSTANCE, JOHN)}`)
})

test('a link between addresses comes with the conversation of either, and with no other', async () => {
  const { store } = await storyLog()
  const link = `address-${addressId(INSTANCE, HIDDEN)}`
  for (const [chat, comes] of [
    [HIDDEN, true],
    [ZOE, true],
    [JOHN, false],
  ] as const) {
    const streams = await streamsOfConversation(store, conversationId(INSTANCE, chat), await store.head())
    expect(streams.has(link), chat).toBe(comes)
  }
})

test('a file that was changed, cut off, reordered or added to is refused by its line', async () => {
  const lines = (await exported(await storyLog())).trimEnd().split('\n')
  const count = lines.length
  const change = (line: number, make: (text: string) => string) =>
    lines.with(line - 1, make(lines[line - 1] ?? '')).join('\n')
  const flipped = (text: string) => {
    const at = text.lastIndexOf('"at":"20') + 7
    return `${text.slice(0, at)}1${text.slice(at + 1)}`
  }
  const [second = '', third = ''] = lines.slice(1)
  const cases: [string, RegExp][] = [
    [change(7, flipped), /^Line 7 of an export does not have the checksum/],
    [
      change(9, (text) => text.replace('"event":', '"event": ')),
      /^Line 9 of an export does not have the checksum/,
    ],
    [
      change(1, (text) => text.replace('"test"', '"tested"')),
      /^Line 2 of an export does not have the checksum/,
    ],
    [
      change(1, (text) => text.replace('"version":1', '"version":2')),
      /^Line 1 .* is of version 2 of the format/,
    ],
    [change(1, () => '{"hello":"world"}'), /^Line 1 of an export is not how/],
    [lines.with(1, third).with(2, second).join('\n'), /^Line 2 of an export does not have the checksum/],
    [lines.toSpliced(11, 1).join('\n'), /^Line 12 of an export does not have the checksum/],
    [lines.toSpliced(11, 0, lines[11] ?? '').join('\n'), /^Line 13 of an export does not have the checksum/],
    [lines.slice(0, -1).join('\n'), new RegExp(`^an export ends after line ${count - 1} without saying so`)],
    [lines.slice(0, 20).join('\n'), /^an export ends after line 20 without saying so/],
    [
      lines.join('\n').slice(0, -80),
      new RegExp(`^Line ${count} of an export is neither an event nor the end`),
    ],
    [
      [...lines.slice(0, 5), lines.at(-1)].join('\n'),
      /^Line 6 of an export ends \d+ events, but 4 come before it/,
    ],
    [
      [...lines, lines.at(-1)].join('\n'),
      new RegExp(`^Line ${count + 1} of an export comes after the last one`),
    ],
    ['', /^an export is empty/],
  ]
  for (const [text, words] of cases) {
    const refused = await checked(text).then(
      () => 'It was taken',
      (error: unknown) => error,
    )
    expect(refused).toMatchObject({ name: 'Damaged', message: expect.stringMatching(words) })
  }
})

test('events that this program does not know, or that fit no schema, are refused by their line before anything is written', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  const lines = (await exported(source)).trimEnd().split('\n').slice(0, -1)
  const change = (make: (text: string) => string) => signedAnew(lines.with(4, make(lines[4] ?? '')))
  expect(await checked(signedAnew(lines))).toMatchObject({ events: story.length })
  const cases: [string, RegExp][] = [
    [
      change((text) => text.replace(/"type":"[A-Z]\w+"/, '"type":"SomethingElse"')),
      /Line 5 .* is a SomethingElse/,
    ],
    [
      change((text) => text.replace(/"version":1/, '"version":7')),
      /Line 5 .* of version 7; this program knows no later/,
    ],
    [
      change((text) => text.replace(/"data":\{/, '"data":{"at":5,"was":{')).replace(/$/, ''),
      /Line 5 .* is not an event/,
    ],
    [change((text) => text.replace('"role":"', '"role":"no-')), /Line 5 .* does not fit its schema/],
    [change((text) => text.replace(/"revision":\d+/, '"revision":-1')), /Line 5 .* is not an event/],
  ]
  for (const [text, words] of cases)
    expect(await imported(text, placeOf(target)).then(() => text.split('\n')[4], String)).toMatch(words)
  expect(Number(await target.store.head())).toBe(0)
  expect((await target.pool.query('select from log_copy')).rowCount).toBe(0)
})

test('revisions that are missing, or come twice, are refused by their line before anything is written', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  const lines = (await exported(source)).trimEnd().split('\n').slice(0, -1)
  const n = lines.findIndex((line) => line.includes('"revision":1,'))
  const { stream } = JSON.parse(lines[n]?.slice(EVENT_AT, -1) ?? '') as { stream: string }
  const cases: [string[], RegExp][] = [
    [
      lines.toSpliced(
        lines.findIndex((line) => line.includes(`"${stream}","revision":0,`)),
        1,
      ),
      new RegExp(`Line ${n} of .* comes, and revision 0 of its stream did not \\(${stream}, revision 1\\)`),
    ],
    [
      lines.toSpliced(n + 1, 0, lines[n] ?? ''),
      new RegExp(`Line ${n + 2} of .* comes after revision 1 of its stream`),
    ],
  ]
  for (const [changed, words] of cases)
    expect(await imported(signedAnew(changed), placeOf(target)).then(() => 'It was taken', String)).toMatch(
      words,
    )
  expect((await target.pool.query('select from log_copy')).rowCount).toBe(0)
})

test('what is no export, or has come through something that changes lines, is called by its name', async () => {
  const text = await exported(await storyLog())
  await expect(checked(text.replaceAll('\n', '\r\n'))).rejects.toThrow(/^Line 1 of .* as lines do on Windows/)
  await expect(checked(gzipSync(text))).rejects.toThrow(/^Line 1 of .* is compressed: "gunzip </)
  await expect(checked(randomBytes(5_000_000))).rejects.toThrow(/^Line 1 of .* is not how an export/)
})

test('a path that is a pipe is read as a file is', async () => {
  const text = await exported(await storyLog())
  const pipe = join(await testFolder(), 'pipe')
  execFileSync('mkfifo', [pipe])
  const writing = appendFile(pipe, text)
  const source = await openExport(pipe, Readable.from([]))
  onTestFinished(() => source.file.close())
  await writing
  expect(await checkExport(source, () => {})).toMatchObject({ events: story.length })
})

test('an import goes on wherever it was interrupted, and until it is finished nothing else uses its place', async () => {
  const source = await storyLog()
  await tellAgain(source.store, 2)
  const text = await exported(source)
  const failingAt = (nth: number, store: EventStore): EventStore => {
    let appends = 0
    return {
      ...store,
      append: (...args) =>
        ++appends < nth ? store.append(...args) : Promise.reject(new Error('the power is gone')),
    }
  }
  for (const nth of [1, 2, 40]) {
    const target = await testLog()
    const place = placeOf(target)
    await expect(imported(text, { ...place, store: failingAt(nth, target.store) })).rejects.toThrow('power')
    await expect(followLog(place)).rejects.toThrow(/has not been finished.*zapini import/s)
    await imported(text, place)
    expect(await told(target.store)).toEqual(await told(source.store))
    await expect(imported(text, place)).rejects.toThrow(/has been in use/)
  }
})

test('a log with other events is refused, and stays as it is', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  const [[stream, event]] = story as [(typeof story)[0]]
  await target.store.append(stream, NO_STREAM, [toAppend(event)])
  await expect(imported(await exported(source), placeOf(target))).rejects.toThrow(/holds other events/)
  expect(Number(await target.store.head())).toBe(1)
})

test('a file takes the place of none but a file, also behind a link', async () => {
  const folder = await testFolder()
  const [real, link, pipe] = ['real', 'link', 'pipe'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await appendFile(real, 'old')
  await symlink(real, link)
  await writeFile(link, (write) => write('new'))
  expect(await readFile(real, 'utf8')).toBe('new')
  expect((await lstat(link)).isSymbolicLink()).toBe(true)
  execFileSync('mkfifo', [pipe])
  const work = () => Promise.reject(new Error('It was begun'))
  for (const path of [pipe, folder, '/dev/null'])
    await expect(writeFile(path, work)).rejects.toThrow(/is no file/)
})

test('a file is there only once it is whole, for nobody else to read', async () => {
  const folder = await testFolder()
  const path = join(folder, 'export.jsonl')
  await expect(
    writeFile(path, async (write) => {
      await write('half of ')
      throw new Error('the disk is full')
    }),
  ).rejects.toThrow('the disk is full')
  expect(await readdir(folder)).toEqual([])
  await writeFile(path, async (write) => {
    await write('all of ')
    expect(await readdir(folder)).not.toContain('export.jsonl')
    await write('it')
  })
  expect(await readdir(folder)).toEqual(['export.jsonl'])
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})
