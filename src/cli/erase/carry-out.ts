import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kysely, PostgresDialect } from 'kysely'
import type { Pool } from 'pg'
import { whenAborted } from '../../aborted.ts'
import { Address } from '../../domain/address.ts'
import { Contact } from '../../domain/contact.ts'
import { Conversation } from '../../domain/conversation.ts'
import { streamOf } from '../../domain/decider.ts'
import { Message } from '../../domain/message.ts'
import { ownerOf, takeOut } from '../../domain/personal.ts'
import type { EventStore, Position, Recorded } from '../../ports/event-store.ts'
import type { MediaStore } from '../../ports/media-store.ts'
import type { SealingKeys } from '../../ports/sealing-keys.ts'
import type { Database } from '../../projections/database.ts'
import { createReadModels } from '../../projections/read-models.ts'
import { readLog } from '../../read-log.ts'
import { eraseDeleted } from '../../reactions/erase.ts'
import { createProgress } from '../../reactions/progress.ts'
import { removeMedia } from '../../reactions/remove-media.ts'
import type { Reaction } from '../../reactions/runner.ts'
import { sealOf } from '../../seal.ts'
import { scrubTold } from '../../webhooks/scrub.ts'
import { isDeletion, type DeletionType, type Erasing } from '../../write/erase.ts'
import type { Load, Transact } from '../../write/transact.ts'
import { interruptible } from '../interrupt.ts'
import type { Output } from '../progress.ts'
import type { Targets } from './targets.ts'

const LOOK_EVERY_MS = 100
/** A server that is at work has done it by then. */
const SERVER_MS = 15_000
/** Catching up may take long; no step of it does. */
const STEP_MS = 60_000

type Parts = {
  readonly pool: Pool
  readonly store: EventStore
  readonly keys: SealingKeys
  readonly transact: Transact
  readonly load: Load
  readonly erasing: Erasing
  readonly mediaStore: MediaStore
  /** A server may be at work. */
  readonly beside: boolean
  readonly output: Output
  readonly interrupted: AbortSignal
}
type Deleted = Pick<Targets, 'conversations' | 'contacts' | 'addresses'>
type TakenBack = Pick<Targets, 'messages'>

/**
 * Carries out what was deleted: here, and by the server, if there is one; whoever comes second finds it done. Without a
 * server, read models and files are brought up to date here, as they would be at the next start.
 */
export const carryOut = async (parts: Parts, deleted: Deleted & TakenBack): Promise<void> => {
  const { store, erasing, beside, output, interrupted } = parts
  output.write('erasing\n')
  await runUpTo(parts, eraseDeleted(erasing), await store.head())
  const deletions = await deletionsOf(store, deleted)
  await erasing.erase(deletions)
  await scrubMessages(parts, deleted)
  interrupted.throwIfAborted()
  output.write('waiting for read models and files\n')
  if (beside && (await serverIsThrough(parts, await deletionsOf(store, deleted)))) return
  await doItHere(parts)
}

/** Of messages that were taken back, nothing is left in the deliveries of webhooks. */
const scrubMessages = async ({ pool, store }: Parts, { messages }: TakenBack) => {
  const events = (await Promise.all(messages.map((id) => store.readStream(streamOf(Message, id))))).flat()
  const groups = events.map((event) => ownerOf(event, event.stream))
  if (events.length > 0)
    await scrubTold(
      pool,
      [...new Set(groups)],
      events.map(({ id }) => id),
    )
}

const streamsOf = ({ conversations, contacts, addresses }: Deleted) => [
  ...conversations.map((id) => streamOf(Conversation, id)),
  ...contacts.map((id) => streamOf(Contact, id)),
  ...addresses.map(({ id }) => streamOf(Address, id)),
]

/** The last deletion of each. */
const deletionsOf = async (store: EventStore, deleted: Deleted) => {
  const events = await Promise.all(streamsOf(deleted).map((stream) => store.readStream(stream)))
  return events.flatMap((stream) => stream.findLast(isDeletion) ?? [])
}

/** How many of them, or of what became part of them, were there before anything was sealed. */
export const countPlain = async (
  stored: EventStore,
  { ownersOf }: Pick<Erasing, 'ownersOf'>,
  { conversations, contacts, addresses }: Deleted,
): Promise<number> => {
  const withParts = async (type: DeletionType, ids: readonly string[]) =>
    (await Promise.all(ids.map((id) => ownersOf(type, id)))).flat()
  const streams = streamsOf({
    conversations: await withParts('ConversationDeleted', conversations),
    contacts: await withParts('ContactDeleted', contacts),
    addresses,
  })
  const events = await Promise.all(streams.map((stream) => stored.readStream(stream)))
  const isPlain = (event: Recorded) => sealOf(event) === undefined && takeOut(event) !== undefined
  return events.filter((stream) => stream.some(isPlain)).length
}

/** Does what a reaction does from its checkpoint on. */
const runUpTo = async ({ pool, store, interrupted }: Parts, reaction: Reaction, upTo: Position) => {
  const progress = createProgress(pool, reaction.name, () => {})
  for await (const batch of readLog(interruptible(store, interrupted), await progress.load(), upTo)) {
    await reaction.handle(batch, interrupted)
    progress.moveTo(batch.at(-1)?.position ?? progress.position())
  }
  await progress.flush()
}

/** What a server takes away when something of a type is deleted. */
const TABLES = {
  ConversationDeleted: ['conversation', 'message', 'message_search', 'outbox', 'conversation_tag'],
  ContactDeleted: ['contact'],
  AddressForgotten: [],
} as const satisfies Record<DeletionType, readonly string[]>
const FILES = 'media-removal'

const serverIsThrough = async (
  { pool, store, interrupted }: Parts,
  deletions: readonly Recorded[],
): Promise<boolean> => {
  const wanted = new Map<string, Position>()
  for (const { type, position } of deletions.filter(isDeletion))
    for (const table of TABLES[type]) if (position > (wanted.get(table) ?? 0n)) wanted.set(table, position)
  const isThrough = async () => {
    const { rows } = await pool.query<{ name: string; position: string }>(
      'select name, position::text from checkpoint where name = any($1)',
      [[...wanted.keys()]],
    )
    const known = new Map(rows.map(({ name, position }) => [name, BigInt(position)]))
    return [...wanted].every(([name, position]) => (known.get(name) ?? 0n) >= position)
  }
  const until = performance.now() + SERVER_MS
  // Twice: what the first one led to is for the second one.
  for (let pass = 1; pass <= 2; pass++) {
    wanted.set(FILES, await store.head())
    while (!(await isThrough())) {
      interrupted.throwIfAborted()
      if (performance.now() > until) return false
      await sleep(LOOK_EVERY_MS)
    }
  }
  return true
}

const doItHere = async (parts: Parts) => {
  const { pool, store, keys, transact, load, mediaStore, interrupted } = parts
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
  const stop = new AbortController()
  const stopped = whenAborted(interrupted)
  // Every read model listens to it.
  setMaxListeners(0, stop.signal)
  let failure: unknown
  const readModels = createReadModels({
    pool,
    store,
    onChanged: () => {},
    onError: (error) => (failure = error),
  })
  await readModels.prepare()
  const running = readModels.run(stop.signal)
  const reach = async (position: Position) => {
    const isThere = await Promise.race([readModels.reached(position, STEP_MS, ...readModels.names), stopped])
    interrupted.throwIfAborted()
    if (!isThere)
      throw new Error('The read models did not get there. Run "zapini erase" again.', { cause: failure })
  }
  try {
    const media = removeMedia({ db, transact, load, mediaStore, keys, ready: reach })
    // Twice: what the first one writes is for the second one.
    for (let pass = 1; pass <= 2; pass++) await runUpTo(parts, media, await store.head())
    await reach(await store.head())
  } finally {
    stop.abort()
    await running
  }
}
