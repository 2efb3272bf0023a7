import { setTimeout as sleep } from 'node:timers/promises'
import { START, type EventStore, type Position, type Recorded } from '../../ports/event-store.ts'
import type { PublicEvent } from '../../domain/public-events.ts'
import { createTranslator } from '../../public-events/translate.ts'
import { readLog } from '../../read-log.ts'
import { createPace } from '../../webhooks/pace.ts'
import type { Counts, Range, Redeliveries, Run } from '../../webhooks/redelivery.ts'
import { startProgress, type Output } from '../progress.ts'
import type { Endpoint } from './endpoint.ts'

/** Deliveries of redeliveries that one endpoint has open at once. */
const OPEN_MAX = 100
/**
 * While so many lanes of them are due, nothing is added, and no more at once: an endpoint gets twice as many at a time, so
 * that what is new finds a place, however slow it is.
 */
const LANES_MAX = 8
/** Events are put into the queue in portions of a part of a second, so that they come evenly. */
const PORTIONS_PER_SECOND = 4
const LOOK_EVERY_MS = 200
/** A quick endpoint has taken a portion by then. */
const ROOM_EVERY_MS = 25
/** How far it has come where there is nothing to add is noted this often. */
const NOTE_EVERY_MS = 2000

export type Options = {
  readonly store: EventStore
  readonly redeliveries: Redeliveries
  readonly endpoint: Endpoint
  readonly range: Range
  /** Ids of the conversations that events are wanted of; all if left out. */
  readonly conversations?: ReadonlySet<string> | undefined
  readonly perSecond: number
  /** Whether a server is there to deliver. */
  readonly isServed: () => Promise<boolean>
  readonly output: Output
  readonly interrupted: AbortSignal
}
/** `isOver`: nothing is left to be done of it. */
export type Redelivered = Counts & { readonly isOver: boolean }

/** What one stored event tells the endpoint, as far as it is wanted. */
type Portion = { readonly position: Position; readonly events: readonly PublicEvent[] }

const isIn = ({ since, until }: Range, { meta }: Recorded): boolean => {
  const at = Date.parse(meta.at)
  return at >= Date.parse(since) && (until === undefined || at < Date.parse(until))
}

/** What the log tells an endpoint in a range, by batches, with the place up to which each goes. */
async function* toldIn({ store, endpoint, range, conversations }: Options, run: Run) {
  const { translate } = createTranslator(store)
  const isWanted = ({ instanceId, type, key }: PublicEvent) =>
    instanceId === endpoint.instanceId && type in endpoint.names && (!conversations || conversations.has(key))
  for await (const batch of readLog(store, run.position, run.upTo)) {
    const upTo = batch.at(-1)?.position ?? run.position
    // All of a tenant, since a translation needs every event of a stream, whatever the clocks of nodes say.
    const own = batch.filter(({ meta }) => meta.tenant === endpoint.tenantId)
    if (!own.some((event) => isIn(range, event))) {
      yield { upTo, portions: [] }
      continue
    }
    const { told, remember } = await translate(own)
    const portions = own.flatMap((event): Portion[] => {
      const events = isIn(range, event) ? (told.get(event.id) ?? []).filter(isWanted) : []
      return events.length > 0 ? [{ position: event.position, events }] : []
    })
    remember()
    yield { upTo, portions }
  }
}

/** Puts so many events together as may go at once, and at least those of one stored event. */
function* inPortions(portions: readonly Portion[], max: number): Generator<Portion> {
  let events: PublicEvent[] = []
  let position = START
  for (const portion of portions) {
    if (events.length > 0 && events.length + portion.events.length > max) {
      yield { position, events }
      events = []
    }
    events.push(...portion.events)
    position = portion.position
  }
  if (events.length > 0) yield { position, events }
}

/**
 * Delivers again what the log told an endpoint in a range, in the order of the log and no faster than it may, and waits
 * until all is delivered or dead. Interrupted, the same call goes on where it stopped.
 */
export const redeliver = async (options: Options): Promise<Redelivered> => {
  const { store, redeliveries, endpoint, range, perSecond, isServed, output, interrupted } = options
  const run = await redeliveries.begin(range, await store.head())
  const queueing = startProgress(output, 'queueing')
  const pace = createPace(perSecond, () => performance.now())
  const wait = (ms: number) => sleep(ms, undefined, { signal: interrupted }).catch(() => {})
  let queued = 0
  let notedAt = performance.now()
  let saidSo = false

  const sayIfUnserved = async () => {
    const served = await isServed()
    if (!served && !saidSo) output.write('No server is running any more: waiting for one that delivers.\n')
    saidSo = !served
  }

  const hasRoom = async () => {
    const { open, lanesDue } = await redeliveries.waiting(endpoint.id)
    return open < OPEN_MAX && lanesDue < LANES_MAX
  }
  const untilThereIsRoom = async () => {
    for (let waitedMs = 0; !interrupted.aborted && !(await hasRoom()); waitedMs += ROOM_EVERY_MS) {
      if (waitedMs % LOOK_EVERY_MS === 0) await sayIfUnserved()
      await wait(ROOM_EVERY_MS)
    }
  }

  const queueAll = async () => {
    const portionMax = Math.max(1, Math.min(LANES_MAX, Math.floor(perSecond / PORTIONS_PER_SECOND)))
    for await (const { upTo, portions } of toldIn(options, run)) {
      for (const { events, position } of inPortions(portions, portionMax)) {
        await untilThereIsRoom()
        await wait(pace(events.length))
        if (interrupted.aborted) return
        queued += await redeliveries.add(run, range, events, position)
        queueing.show(position, run.upTo, queued)
      }
      if (interrupted.aborted) return
      queueing.show(upTo, run.upTo, queued)
      const isLast = upTo >= run.upTo
      if (!isLast && performance.now() - notedAt < NOTE_EVERY_MS) continue
      notedAt = performance.now()
      await redeliveries.add(run, range, [], upTo)
    }
    queueing.end(queued)
  }

  const untilAllIsDelivered = async (): Promise<Redelivered> => {
    for (;;) {
      const counts = await redeliveries.counts(run)
      if (counts.open === 0 && !interrupted.aborted) {
        await redeliveries.finish(run)
        return { ...counts, isOver: true }
      }
      if (interrupted.aborted) return { ...counts, isOver: false }
      await sayIfUnserved()
      await wait(LOOK_EVERY_MS)
    }
  }

  await queueAll()
  return untilAllIsDelivered()
}
