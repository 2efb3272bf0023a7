// Follows Zapini's events in Kafka, and makes of each exactly one change in PostgreSQL, whatever stops in between.
import { setInterval } from 'node:timers'
import kafkajs from 'kafkajs'
import pg from 'pg'
import { apply, tables, topic } from './read-model.mjs'

const {
  KAFKA_BROKERS = 'localhost:9092',
  KAFKA_PREFIX = 'zapini',
  DATABASE_URL = 'postgres://localhost/subscriber',
  GROUP = 'messages-per-day',
  SESSION_TIMEOUT_MS = '30000',
} = process.env
const sessionTimeout = Number(SESSION_TIMEOUT_MS)
/** Versions of the records' shape that this program knows. */
const VERSIONS = [1]
/** Without a sign of life from the client for so long, it hangs. */
const SILENCE_MS = 180_000

const log = (text, fields = {}) => console.log(JSON.stringify({ text, ...fields }))
/** Ends the process with a failure. Whoever started it starts it again: systemd, Kubernetes, … */
const giveUp = (error) => {
  log('giving up', { error: error.message })
  process.exit(1)
}

const pool = new pg.Pool({
  connectionString: DATABASE_URL,
  max: 2,
  connectionTimeoutMillis: 5000,
  // Waiting any longer than the session lasts is of no use: by then, another has got the partition.
  statement_timeout: sessionTimeout,
})
pool.on('error', (error) => log('lost a connection to the database', { error: error.message }))

// The inbox remembers the events that were handled; what cannot be read is parked. The lock lets several start at once.
await pool.query(`
  select pg_advisory_xact_lock(hashtext('kafka-subscriber'));
  create table if not exists inbox (
    event_id uuid primary key,
    handled_at timestamptz not null default now()
  );
  create table if not exists parked (
    topic text, partition integer, position bigint, written_at timestamptz,
    key bytea, value bytea, reason text not null,
    primary key (topic, partition, position, written_at)
  );
  ${tables}`)

const isUuid = (id) => typeof id === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)

/**
 * The event in a record, or why there is none. All that the database would refuse is refused here: a failure there is
 * tried again, for ever, and nothing behind it in its partition would be handled.
 */
const read = ({ value }) => {
  let event
  try {
    event = JSON.parse(value.toString())
  } catch {
    return { reason: 'no JSON' }
  }
  if (!VERSIONS.includes(event?.version)) return { reason: 'unknown version' }
  const at = Date.parse(event.timestamp)
  const isSound = [event.id, event.tenant_id, event.key].every(isUuid) && at > 0 && at < Date.UTC(2200)
  return isSound ? { event: { ...event, timestamp: new Date(at).toISOString() } } : { reason: 'no event' }
}

/** Everything that a batch leads to, in one transaction: all of it is done and remembered, or nothing is. */
const handle = async (client, { messages, partition, topic }) => {
  const events = new Map()
  for (const message of messages) {
    const { event, reason } = read(message)
    if (event) events.set(event.id, event)
    else {
      log('parked a record', { topic, partition, offset: message.offset, reason })
      await client.query(
        `insert into parked values ($1, $2, $3, to_timestamp($4 / 1000.0), $5, $6, $7) on conflict do nothing`,
        [topic, partition, message.offset, message.timestamp, message.key, message.value, reason],
      )
    }
  }
  const { rows } = await client.query(
    'insert into inbox (event_id) select unnest($1::uuid[]) on conflict do nothing returning event_id',
    [[...events.keys()]],
  )
  const isNew = new Set(rows.map((row) => row.event_id))
  await apply(
    client,
    [...events.values()].filter(({ id }) => isNew.has(id)),
  )
}

const inTransaction = async (work) => {
  const client = await pool.connect()
  let failure
  try {
    await client.query('begin')
    await work(client)
    await client.query('commit')
  } catch (error) {
    failure = error
    throw error
  } finally {
    // After a failure the connection is closed, and the transaction with it.
    client.release(failure)
  }
}

const kafka = new kafkajs.Kafka({
  clientId: GROUP,
  brokers: KAFKA_BROKERS.split(','),
  connectionTimeout: 3000,
  retry: { initialRetryTime: 300, retries: 8 },
  logLevel: kafkajs.logLevel.WARN,
  // ssl: true, sasl: { mechanism: 'scram-sha-512', username: …, password: … },
})
const consumer = kafka.consumer({
  groupId: GROUP,
  sessionTimeout,
  heartbeatInterval: sessionTimeout / 10,
  maxWaitTimeInMs: 500,
  allowAutoTopicCreation: false,
})

// The client restarts by itself after most failures. After others it stops, without a sound: then this process ends.
const { CRASH, FETCH, GROUP_JOIN, HEARTBEAT } = consumer.events
consumer.on(CRASH, ({ payload }) => {
  if (!payload.restart) giveUp(payload.error)
})
let lastSign = Date.now()
for (const sign of [FETCH, GROUP_JOIN, HEARTBEAT]) consumer.on(sign, () => void (lastSign = Date.now()))
const watch = () => Date.now() - lastSign > SILENCE_MS && giveUp(new Error('The client hangs'))
setInterval(watch, SILENCE_MS / 10).unref()

/** Finishes what is under way and leaves the group, so that others take over at once. */
const stop = async () => {
  await consumer.disconnect()
  await pool.end()
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop().catch(giveUp))

await consumer.connect()
// A new group begins with the oldest records there are; a known one goes on where it was.
await consumer.subscribe({ topics: [`${KAFKA_PREFIX}.${topic}`], fromBeginning: true })
await consumer.run({
  autoCommit: false,
  eachBatchAutoResolve: false,
  eachBatch: async ({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary, uncommittedOffsets }) => {
    await inTransaction((client) => handle(client, batch))
    // Only now, after the transaction. A crash in between brings the batch again, and the inbox knows it.
    resolveOffset(batch.lastOffset())
    await commitOffsetsIfNecessary(uncommittedOffsets())
    await heartbeat()
  },
})
log('following', { group: GROUP, topic: `${KAFKA_PREFIX}.${topic}` })
