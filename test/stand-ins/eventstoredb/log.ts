import { randomUUID } from 'node:crypto'
import { openLogFile, type Line } from './log-file.ts'

export type Proposed = {
  readonly id: string
  readonly type: string
  readonly isJson: boolean
  readonly data: Buffer
  readonly metadata: Buffer
}
export type Stored = Proposed & {
  readonly stream: string
  readonly revision: bigint
  /** Commit and prepare position: the place of its first byte in a log of records. */
  readonly position: bigint
  /** Ticks of 100 ns since 1970. */
  readonly created: bigint
}
export type Expected = 'any' | 'no_stream' | 'stream_exists' | bigint
export type Outcome =
  | { readonly kind: 'written'; readonly revision: bigint; readonly position: bigint }
  | { readonly kind: 'wrong-version'; readonly current: bigint | undefined }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'too-large' }

type Stream = {
  readonly events: Stored[]
  isTombstoned: boolean
  /** From its metadata: what is before this revision is gone, as is what is more than so many, or older. */
  truncateBefore: number
  maxCount: number
  maxAgeMs: number
}

export const MAX_APPEND_BYTES = 1024 * 1024
const TICKS_PER_MS = 10_000n
const TOMBSTONE_REVISION = 2n ** 63n - 1n
const RECORD_BYTES = 64
const STATISTICS_EVERY = 10

const json = (type: string, data: string): Proposed => ({
  id: randomUUID(),
  type,
  isJson: true,
  data: Buffer.from(data),
  metadata: Buffer.alloc(0),
})
const sizeOf = ({ type, data, metadata }: Proposed) => 2 * type.length + data.length + metadata.length
const isSystem = (stream: string) => stream.startsWith('$')

/** The log and the rules by which it is written; everything in it is in the file before it is acknowledged. */
export const openLog = (directory: string) => {
  const all: Stored[] = []
  const streams = new Map<string, Stream>()
  const byId = new Map<string, Stored>()
  let waiting: (() => void)[] = []
  let end = 0n
  let appends = 0

  const streamOf = (name: string): Stream => {
    const known = streams.get(name)
    if (known) return known
    const made = {
      events: [],
      isTombstoned: false,
      truncateBefore: 0,
      maxCount: Infinity,
      maxAgeMs: Infinity,
    }
    streams.set(name, made)
    return made
  }

  const applyMetadata = (name: string, { data }: Stored) => {
    const settings = JSON.parse(data.toString()) as { $tb?: number; $maxCount?: number; $maxAge?: number }
    const stream = streamOf(name)
    stream.truncateBefore = settings.$tb ?? 0
    stream.maxCount = settings.$maxCount ?? Infinity
    stream.maxAgeMs = (settings.$maxAge ?? Infinity) * 1000
  }

  const take = ({ stream: name, events, created, tombstone }: Line) => {
    const stream = streamOf(name)
    for (const event of events) {
      const revision = tombstone ? TOMBSTONE_REVISION : BigInt(stream.events.length)
      const stored = {
        ...event,
        stream: name,
        revision,
        position: end,
        created: BigInt(created) * TICKS_PER_MS,
      }
      end += BigInt(RECORD_BYTES + name.length + sizeOf(event))
      all.push(stored)
      byId.set(event.id, stored)
      if (tombstone) stream.isTombstoned = true
      else stream.events.push(stored)
      if (name.startsWith('$$') && event.type === '$metadata') applyMetadata(name.slice(2), stored)
    }
  }

  const file = openLogFile(directory, take)

  const write = (stream: string, events: readonly Proposed[], tombstone = false) => {
    const line = { stream, events, created: Date.now(), ...(tombstone && { tombstone }) }
    file.add(line)
    take(line)
    const woken = waiting
    waiting = []
    for (const go of woken) go()
  }

  const isSoftDeleted = ({ events, truncateBefore }: Stream) =>
    events.length > 0 && truncateBefore >= events.length

  /** Whether an append is to be written, or what else is the answer. */
  const judge = (name: string, expected: Expected, events: readonly Proposed[]): Outcome | 'write' => {
    const stream = streamOf(name)
    const last = stream.events.at(-1)
    const wrong = { kind: 'wrong-version', current: last?.revision } as const
    const repeated = (stored: Stored | undefined) =>
      stored ? ({ kind: 'written', revision: stored.revision, position: stored.position } as const) : wrong
    if (stream.isTombstoned) return { kind: 'deleted' }
    if (events.reduce((bytes, event) => bytes + sizeOf(event), 0) > MAX_APPEND_BYTES)
      return { kind: 'too-large' }
    if (expected === 'any' || expected === 'stream_exists') {
      if (expected === 'stream_exists' && !last) return wrong
      if (expected === 'stream_exists' && isSoftDeleted(stream)) return { kind: 'deleted' }
      const known = events.map(({ id }) => byId.get(id)).map((stored) => stored?.stream === name && stored)
      if (!known[0]) return 'write'
      return known.every(Boolean) ? repeated(known.at(-1) || undefined) : wrong
    }
    const before = expected === 'no_stream' ? -1 : Number(expected)
    const current = stream.events.length - 1
    if (before === current) return 'write'
    if (before > current) return wrong
    const isSame = events.every(({ id }, n) => stream.events[before + 1 + n]?.id === id)
    if (isSame && events.length > 0) return repeated(stream.events[before + events.length])
    return expected === 'no_stream' && isSoftDeleted(stream) ? 'write' : wrong
  }

  const append = (name: string, expected: Expected, events: readonly Proposed[]): Outcome => {
    const outcome = judge(name, expected, events)
    if (outcome !== 'write') return outcome
    // Written to again, a soft-deleted stream goes on after what was deleted.
    const stream = streamOf(name)
    if (isSoftDeleted(stream)) write(`$$${name}`, [json('$metadata', `{"$tb":${stream.events.length}}`)])
    write(name, events)
    const last = stream.events.at(-1)
    if (!isSystem(name) && ++appends % STATISTICS_EVERY === 0) writeStatistics()
    return { kind: 'written', revision: last?.revision ?? 0n, position: last?.position ?? 0n }
  }

  const remove = (name: string, expected: Expected, kind: 'soft' | 'tombstone'): Outcome => {
    const stream = streamOf(name)
    const last = stream.events.at(-1)
    if (stream.isTombstoned) return { kind: 'deleted' }
    const isExpected =
      expected === 'any' || expected === 'stream_exists'
        ? last !== undefined
        : (last?.revision ?? 'no_stream') === expected
    if (!isExpected) return { kind: 'wrong-version', current: last?.revision }
    if (kind === 'tombstone') write(name, [json('$streamDeleted', '{}')], true)
    else write(`$$${name}`, [json('$metadata', '{"$tb":9223372036854775807}')])
    return { kind: 'written', revision: last?.revision ?? 0n, position: all.at(-1)?.position ?? 0n }
  }

  const writeStatistics = () => write('$stats-127.0.0.1:2113', [json('$statsCollected', '{"proc-cpu":1}')])

  if (all.length === 0) {
    write('$$$stats-127.0.0.1:2113', [json('$metadata', '{"$maxAge":86400}')])
    write('$users', [json('$User', '"admin"')])
    write('$user-admin', [json('$UserCreated', '{"loginName":"admin"}')])
    writeStatistics()
  }

  return {
    all: all as readonly Stored[],
    append,
    remove,
    isTombstoned: (name: string) => streams.get(name)?.isTombstoned ?? false,
    /** The events of a stream that can still be read; undefined where there is no stream any more, or never was. */
    visible: (name: string): readonly Stored[] | undefined => {
      const stream = streams.get(name)
      if (!stream || stream.events.length === 0 || isSoftDeleted(stream)) return undefined
      const from = Math.max(stream.truncateBefore, stream.events.length - stream.maxCount)
      const youngest = stream.maxAgeMs === Infinity ? 0n : BigInt(Date.now() - stream.maxAgeMs) * TICKS_PER_MS
      return stream.events.slice(from).filter(({ created }) => created >= youngest)
    },
    eventAt: (name: string, revision: number) => streams.get(name)?.events[revision],
    /** The place in `all` of the first event at or after a position. */
    indexFrom: (position: bigint): number => {
      let low = 0
      let high = all.length
      while (low < high) {
        const middle = (low + high) >> 1
        if ((all[middle]?.position ?? 0n) < position) low = middle + 1
        else high = middle
      }
      return low
    },
    /** Resolves at the next write, or at the signal. */
    next: (signal: AbortSignal) =>
      new Promise<void>((done) => {
        const go = () => {
          signal.removeEventListener('abort', go)
          done()
        }
        signal.addEventListener('abort', go)
        waiting.push(go)
      }),
    close: file.close,
  }
}
export type Log = ReturnType<typeof openLog>
