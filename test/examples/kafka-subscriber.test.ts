import { spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import kafkajs, { type Admin, type Message, type Producer } from 'kafkajs'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { conversationId } from '../../src/domain/ids.ts'
import { publicExamples } from '../../src/domain/public-examples.ts'
import { headersOf, recordOf, type PublicRecord } from '../../src/domain/public-record.ts'
import { testPool } from '../support/database.ts'
import { INSTANCE } from '../support/facts.ts'
import { startKafka } from '../support/kafka.ts'
import { eventually } from '../support/eventually.ts'

const ROOT = join(import.meta.dirname, '../..')
const EXAMPLE = join(ROOT, 'examples/kafka-subscriber')
const SESSION_TIMEOUT_MS = 2000
const PARTITIONS = 3
const CONVERSATIONS = 20

/** A day in the life of some conversations: messages of both directions and, now and then, something else. */
const recordsAbout = (count: number): PublicRecord[] =>
  Array.from({ length: count }, (_, n) => {
    const types = ['message.received', 'message.sent', n % 5 === 0 ? 'message.status' : 'message.received']
    const example = publicExamples.find(({ type }) => type === types[n % 3])
    if (!example) throw new Error('No example')
    return recordOf({
      ...example,
      id: randomUUID(),
      key: conversationId(INSTANCE, String(n % CONVERSATIONS)),
      at: `2025-01-${10 + (n % 4)}T23:59:59.000Z`,
    })
  })
const messageOf = (record: PublicRecord): Message => ({
  key: record.key,
  value: JSON.stringify(record),
  headers: headersOf(record),
})
const again = (records: readonly PublicRecord[], every: number) => records.filter((_, n) => n % every === 0)

/** What the subscriber should have counted, told by hand. */
const counted = (records: readonly PublicRecord[]) => {
  const rows = new Map<string, { received: number; sent: number }>()
  for (const { key, timestamp, type } of records) {
    if (type !== 'message.received' && type !== 'message.sent') continue
    const place = `${key} ${timestamp.slice(0, 10)}`
    const row = rows.get(place) ?? { received: 0, sent: 0 }
    row[type === 'message.received' ? 'received' : 'sent']++
    rows.set(place, row)
  }
  return Object.fromEntries(rows)
}

const start = (environment: Record<string, string>, folder = EXAMPLE) => {
  const child = spawn(process.execPath, [join(folder, 'subscriber.mjs')], {
    env: { PATH: process.env['PATH'], SESSION_TIMEOUT_MS: String(SESSION_TIMEOUT_MS), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => (output += part.toString()))
  const ended = new Promise<number | null>((done) => child.once('close', (code) => done(code)))
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  onTestFinished(async () => void (await end('SIGKILL')))
  return {
    ended,
    output: () => output,
    kill: () => end('SIGKILL'),
    /** Before it follows, a signal ends it at once. */
    stop: async () => {
      await patiently(async () => expect(output).toContain('"following"'))
      return end('SIGTERM')
    },
  }
}

/** A copy of the example with another read model. */
const copyWith = async (readModel: string) => {
  const folder = await mkdtemp(join(tmpdir(), 'zapini-subscriber-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await copyFile(join(EXAMPLE, 'subscriber.mjs'), join(folder, 'subscriber.mjs'))
  await writeFile(join(folder, 'read-model.mjs'), readModel)
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

describe('the example of a Kafka subscriber', () => {
  let broker: Awaited<ReturnType<typeof startKafka>>
  let admin: Admin
  let producer: Producer
  beforeAll(async () => {
    broker = await startKafka()
    const kafka = new kafkajs.Kafka({
      brokers: [broker.plain],
      clientId: 'test',
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { initialRetryTime: 100, retries: 8 },
    })
    admin = kafka.admin()
    producer = kafka.producer({
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
    })
    await Promise.all([admin.connect(), producer.connect()])
  })
  afterAll(async () => {
    await Promise.all([admin.disconnect(), producer.disconnect()])
    await broker.stop()
  })

  /** A topic and a database of its own, and the subscriber between them. */
  const prepare = async () => {
    const pool = await testPool(2)
    const prefix = `test-${randomBytes(4).toString('hex')}`
    const [topic, group] = [`${prefix}.messages`, `${prefix}.group`]
    await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true })
    const environment = {
      KAFKA_BROKERS: broker.plain,
      KAFKA_PREFIX: prefix,
      GROUP: group,
      DATABASE_URL: pool.options.connectionString ?? '',
    }
    const publish = async (messages: readonly Message[]) => {
      await producer.send({ topic, messages: [...messages], acks: -1 })
    }
    const subscribe = (other = group) => start({ ...environment, GROUP: other })
    /** Waits until the group has committed the end of every partition. */
    const caughtUp = (groupId = group) =>
      patiently(async () => {
        const ends = await admin.fetchTopicOffsets(topic)
        const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
        const done = committed?.partitions.map(({ partition, offset }) => ({ partition, offset }))
        const all = ends.filter(({ high }) => high !== '0')
        expect(done).toEqual(
          expect.arrayContaining(all.map(({ partition, high }) => ({ partition, offset: high }))),
        )
      })
    return { pool, group, environment, publish, caughtUp, subscribe }
  }

  it('counts each event once, though it is killed again and again and events come twice', async () => {
    const { pool, group, publish, caughtUp, subscribe } = await prepare()
    const records = recordsAbout(900)
    const [first, second, third] = [records.slice(0, 300), records.slice(300, 600), records.slice(600)]

    const killed = subscribe()
    await publish(first.map(messageOf))
    await handled(pool, 1)
    await killed.kill()

    const inTransaction = subscribe()
    await handled(pool, first.length)
    const release = await lock(pool, 'messages_per_day')
    await publish([...second, ...again(first, 3)].map(messageOf))
    await waitingFor(pool)
    await inTransaction.kill()
    expect(await inboxOf(pool)).toBe(first.length)
    await release()

    const inTime = subscribe()
    await handled(pool, first.length + 1)
    await publish([...third, ...again(records, 2)].map(messageOf))
    await handled(pool, first.length + second.length + 1)
    await inTime.kill()

    const last = subscribe()
    await caughtUp()
    expect(await inboxOf(pool)).toBe(records.length)
    expect(await rowsOf(pool)).toEqual(counted(records))
    expect(await last.stop()).toBe(0)

    // As after a crash between transaction and commit, for all there is: a new group begins at the beginning.
    const anew = subscribe(`${group}-anew`)
    await caughtUp(`${group}-anew`)
    expect(await rowsOf(pool)).toEqual(counted(records))
    expect(await anew.stop()).toBe(0)
  })

  it('counts each event once with several processes that come and go', async () => {
    const { pool, publish, caughtUp, subscribe } = await prepare()
    const records = recordsAbout(600)
    const one = subscribe()
    await publish(records.slice(0, 200).map(messageOf))
    await handled(pool, 1)
    const other = subscribe()
    await publish([...records.slice(200, 400), ...again(records, 2)].map(messageOf))
    await handled(pool, 201)
    expect(await one.stop()).toBe(0)
    await publish(records.slice(400).map(messageOf))
    await caughtUp()
    expect(await rowsOf(pool)).toEqual(counted(records))
    expect(await other.stop()).toBe(0)
  })

  it('parks what it cannot read, as it is and with the reason, and goes on', async () => {
    const { pool, publish, caughtUp, subscribe } = await prepare()
    const [sound, other] = recordsAbout(2)
    if (!sound || !other) throw new Error('No records')
    const odd = (change: object) => JSON.stringify({ ...other, id: randomUUID(), ...change })
    const values = [
      ['not JSON', 'no JSON'],
      [null, 'no JSON'],
      [Buffer.from([0, 255, 254]), 'no JSON'],
      ['null', 'unknown version'],
      [odd({ version: 2 }), 'unknown version'],
      [odd({ id: 'x' }), 'no event'],
      [odd({ id: [randomUUID()] }), 'no event'],
      [odd({ timestamp: 'yesterday' }), 'no event'],
      [odd({ timestamp: '+012025-01-01T00:00:00Z' }), 'no event'],
      [odd({ timestamp: 1_736_500_000_000 }), 'no event'],
    ] as const
    const key = sound.key
    const zero = { ...sound, data: { ...sound.data, content: 'with \0 in it' } }
    await publish([
      ...values.map(([value]) => ({ key, value })),
      { key, value: odd({ type: 'message.pinned' }) },
      { key, value: JSON.stringify(zero) },
    ])
    const subscriber = subscribe()
    await caughtUp()
    const { rows } = await pool.query('select value, reason from parked order by position')
    expect(rows.map(({ value, reason }) => [value && hex(value), reason])).toEqual(
      values.map(([value, reason]) => [value && hex(value), reason]),
    )
    expect(subscriber.output().match(/parked a record/g)).toHaveLength(values.length)
    expect(subscriber.output()).not.toContain('not JSON')
    expect(await rowsOf(pool)).toEqual(counted([sound]))
  })

  it('ends with a failure when the client gives up without a sound, and the event is not lost', async () => {
    const { pool, environment, publish, caughtUp, subscribe } = await prepare()
    const records = recordsAbout(1)
    await publish(records.map(messageOf))
    // What kafkajs takes for a fault of the program, after which it consumes nothing more.
    const folder = await copyWith(`
      export const [topic, tables] = ['messages', '']
      export const apply = () => undefined.length
    `)
    const broken = start(environment, folder)
    expect(await broken.ended, broken.output()).toBe(1)
    expect(await inboxOf(pool)).toBe(0)
    const mended = subscribe()
    await caughtUp()
    expect(await rowsOf(pool)).toEqual(counted(records))
    expect(await mended.stop()).toBe(0)
  })

  it('ends with a failure where there is no topic to follow', async () => {
    const { environment } = await prepare()
    const subscriber = start({ ...environment, KAFKA_PREFIX: 'nobody' })
    expect(await subscriber.ended, subscriber.output()).toBe(1)
  })
})

const hex = (value: string | Buffer) => Buffer.from(value).toString('hex')

/** Dead members of a group are waited for. */
const patiently = <T>(expectation: () => Promise<T>) =>
  expect.poll(() => expectation().then(() => true), { timeout: 30_000, interval: 50 }).toBe(true)

const inboxOf = async (pool: Pool): Promise<number> => {
  const { rows } = await pool.query<{ count: number }>('select count(*)::int as count from inbox')
  return rows[0]?.count ?? 0
}
const handled = (pool: Pool, count: number) =>
  patiently(async () => expect(await inboxOf(pool)).toBeGreaterThanOrEqual(count))

const rowsOf = async (pool: Pool) => {
  const { rows } = await pool.query<{ place: string; received: number; sent: number }>(
    `select conversation || ' ' || day as place, received, sent from messages_per_day`,
  )
  return Object.fromEntries(rows.map(({ place, received, sent }) => [place, { received, sent }]))
}

/** Keeps everybody from writing to a table; answers how to let them again. */
const lock = async (pool: Pool, table: string) => {
  const client = await pool.connect()
  await client.query(`begin; lock table ${table}`)
  return async () => {
    await client.query('rollback')
    client.release()
  }
}
/** Waits until somebody waits for a lock. */
const waitingFor = (pool: Pool) =>
  eventually(async () => {
    const { rows } = await pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    expect(rows).toHaveLength(1)
  })
