import { Readable } from 'node:stream'
import { invalid, Refusal } from '../domain/errors.ts'
import { bodyFields, type PublicType } from '../domain/public-events.ts'
import type { EventStore, Position } from '../ports/event-store.ts'
import type { Translate } from '../public-events/share.ts'
import type { Caller } from './route.ts'

/** How long a client waits before it comes back. */
const RETRY_MS = 2000
const BUFFER_BYTES = 65_536
/** Open at once, at each node. */
const PER_TOKEN = 5
const PER_PROCESS = 500
const COME_BACK_SECONDS = 10

export type StreamTimes = {
  /** Shows that the connection lives, and where the log is. */
  readonly heartbeatMs?: number
  /** A reader that has something to take, and does not for so long, is cut off. */
  readonly slowMs?: number
  /** How long a stream may outlive the token that opened it. */
  readonly recheckMs?: number
}

type Options = StreamTimes & {
  readonly store: EventStore
  readonly translate: Translate
  /** Ends every stream. */
  readonly stopping: AbortSignal
  readonly onError: (error: unknown) => void
}

type Wanted = {
  readonly caller: Caller
  readonly instanceId: string | undefined
  /** The name under which each public event is told; others are not. */
  readonly names: Partial<Record<PublicType, string>>
  readonly lastEventId: string | undefined
  /** Whether the caller may go on listening. */
  readonly isStillAllowed: () => Promise<boolean>
}

/** What a client has: everything up to a position, and so many of the public events that the next stored one makes. */
type Place = { readonly after: Position; readonly told: number }
const PLACE = /^(\d{1,19})\.(\d{1,3})$/

/** Public events as they happen, straight from the log, as server-sent events. */
export const createEventStreams = (options: Options) => {
  const { store, stopping } = options
  const perToken = new Map<string, number>()
  /** How to end each open stream. */
  const open = new Set<() => void>()
  stopping.addEventListener('abort', () => {
    for (const end of [...open]) end()
  })

  const placeOf = async (lastEventId: string | undefined): Promise<Place> => {
    const head = await store.head()
    if (lastEventId === undefined) return { after: head, told: 0 }
    const [, after, told] = PLACE.exec(lastEventId) ?? []
    if (after === undefined || told === undefined || BigInt(after) > head)
      throw invalid('last_event_id', 'must be the id of an event of this stream')
    return { after: BigInt(after), told: Number(told) }
  }

  const refuseIfTooMany = (tokenId: string) => {
    if (stopping.aborted)
      throw new Refusal('UNAVAILABLE', 'The server is stopping. Try again in a few seconds.')
    if (open.size < PER_PROCESS && (perToken.get(tokenId) ?? 0) < PER_TOKEN) return
    throw new Refusal(
      'RATE_LIMITED',
      `Too many open streams: ${PER_TOKEN} for each token. Close one, or try again later.`,
      { retry_after: COME_BACK_SECONDS },
    )
  }

  const count = (tokenId: string, change: 1 | -1) => {
    const streams = (perToken.get(tokenId) ?? 0) + change
    if (streams > 0) perToken.set(tokenId, streams)
    else perToken.delete(tokenId)
  }

  /** A stream from the head of the log, or from just after the last event that a client has. */
  return async (wanted: Wanted): Promise<Readable> => {
    const from = await placeOf(wanted.lastEventId)
    const { tokenId } = wanted.caller
    refuseIfTooMany(tokenId)
    const { body, end } = startStream(options, wanted, from)
    open.add(end)
    count(tokenId, 1)
    body.once('close', () => {
      open.delete(end)
      count(tokenId, -1)
    })
    return body
  }
}
export type OpenEventStream = ReturnType<typeof createEventStreams>

const startStream = (
  { store, translate, onError, heartbeatMs = 15_000, slowMs = 30_000, recheckMs = 3000 }: Options,
  { caller, instanceId, names, isStillAllowed }: Wanted,
  from: Place,
) => {
  const over = new AbortController()
  let takeMore = () => {}
  let isFull = false
  const body = new Readable({
    highWaterMark: BUFFER_BYTES,
    read: () => takeMore(),
    destroy: (error, done) => {
      over.abort()
      clearInterval(heartbeat)
      clearInterval(recheck)
      takeMore()
      done(error)
    },
  })

  /** Resolves once there is room for more; a reader that makes none is cut off. */
  const write = async (frame: string) => {
    if (over.signal.aborted || body.push(frame)) return
    isFull = true
    const cut = setTimeout(() => body.destroy(), slowMs)
    await new Promise<void>((go) => (takeMore = go))
    clearTimeout(cut)
    isFull = false
  }

  const end = () => {
    if (over.signal.aborted) return
    over.abort()
    // What a reader has not taken by now, it gets when it comes back.
    if (isFull || body.readableLength > 0) body.destroy()
    else body.push(null)
  }

  let done = from.after
  const follow = async () => {
    let alreadyTold = from.told
    await write(`retry: ${RETRY_MS}\nid: ${from.after}.${from.told}\n\n`)
    for await (const batch of store.subscribeToAll(from.after, over.signal)) {
      const own = batch.filter(({ meta }) => meta.tenant === caller.tenantId)
      const told = own.length === 0 ? undefined : await translate(own)
      for (const { id, position } of own) {
        const events = told?.get(id) ?? []
        for (const [n, event] of events.entries()) {
          const name = names[event.type]
          const isForCaller = instanceId === undefined || event.instanceId === instanceId
          if (n < alreadyTold || name === undefined || !isForCaller) continue
          const place = n === events.length - 1 ? `${position}.0` : `${done}.${n + 1}`
          const data = JSON.stringify({ event: name, ...bodyFields(event) })
          await write(`id: ${place}\nevent: ${name}\ndata: ${data}\n\n`)
        }
        alreadyTold = 0
        done = position
      }
      done = batch.at(-1)?.position ?? done
    }
  }

  // With the place, so that a client that is told little need not begin far back.
  const heartbeat = setInterval(() => {
    // Not awaited: whoever writes next makes sure that there is room.
    if (!isFull && !over.signal.aborted) body.push(`: alive\nid: ${done}.0\n\n`)
  }, heartbeatMs)
  const recheck = setInterval(() => {
    isStillAllowed().then((allowed) => allowed || end(), onError)
  }, recheckMs)
  follow()
    .catch((error: unknown) => over.signal.aborted || onError(error))
    .finally(end)
  return { body, end }
}
