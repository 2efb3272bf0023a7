import { parseArgs } from 'node:util'
import type { Pool } from 'pg'
import { idOfStream } from '../domain/decider.ts'
import { START, type EventStore } from '../ports/event-store.ts'
import { readLog } from '../read-log.ts'
import { sealOf } from '../seal.ts'
import { visit, type Command } from './command.ts'
import { interruptible } from './interrupt.ts'
import { startProgress, type Output } from './progress.ts'
import { createWriter } from './write.ts'

type Lost = {
  /** The first stream that each of them sealed something in. */
  readonly streams: ReadonlyMap<string, string>
  readonly events: number
}

const missingOf = async (pool: Pool, ids: Iterable<string>): Promise<ReadonlySet<string>> => {
  const { rows } = await pool.query<{ id: string }>(
    'select w.id from unnest($1::uuid[]) w(id) left join sealing_key k on k.id = w.id where k.id is null',
    [[...ids]],
  )
  return new Set(rows.map(({ id }) => id))
}

/** The keys that the log names and the database does not know. `stored`: the log as it is kept. */
export const findLost = async (pool: Pool, stored: EventStore, output: Output): Promise<Lost> => {
  const progress = startProgress(output, 'looking for keys')
  const head = await stored.head()
  const streams = new Map<string, string>()
  let [read, events] = [0, 0]
  for await (const batch of readLog(stored, START, head)) {
    const sealed = batch.flatMap((event) => {
      const seal = sealOf(event)
      return seal ? [{ key: seal.key, stream: event.stream }] : []
    })
    const missing = await missingOf(pool, new Set(sealed.map(({ key }) => key)))
    for (const { key, stream } of sealed) {
      if (!missing.has(key)) continue
      events++
      if (!streams.has(key)) streams.set(key, stream)
    }
    read += batch.length
    progress.show(batch.at(-1)?.position ?? head, head, read)
  }
  progress.end(read)
  return { streams, events }
}

/** Puts on record that they are gone for good: what they sealed reads as erased from then on, at every node. */
export const giveUp = async (pool: Pool, { streams }: Lost): Promise<void> => {
  await pool.query(
    `insert into sealing_key (id, owner, state, master, destroyed_at)
     select id, owner, 'destroyed', false, now() from unnest($1::uuid[], $2::uuid[]) lost(id, owner)
     on conflict do nothing`,
    [[...streams.keys()], [...streams.values()].map(idOfStream)],
  )
}

export const lostKeysCommand: Command = {
  synopsis: '[--give-up]',
  summary: `counts the keys of the log that are missing in the database, and the events that they
sealed. With --give-up, what they sealed reads as erased from then on; without them
it stops everybody who reads it. First look for a backup of the table sealing_key.`,
  run: async (given) => {
    const { values } = parseArgs({ args: [...given.args], options: { 'give-up': { type: 'boolean' } } })
    const { out, progress } = given.screen
    const write = createWriter(out)
    await visit(given, async ({ pool, stored }, interrupted) => {
      const lost = await findLost(pool, interruptible(stored, interrupted), progress)
      const found = `Keys that are missing: ${lost.streams.size}. Events in which they sealed what is personal: ${lost.events}.`
      if (!values['give-up']) return write(`${found}\n`)
      await giveUp(pool, lost)
      return write(`${found} They read as erased from now on.\n`)
    })
    return 0
  },
}
