import { setTimeout as sleep } from 'node:timers/promises'
import { signedHeaders } from '../domain/sign.ts'
import type { Post, PostResult } from '../ports/post.ts'
import { createHold } from './hold.ts'
import type { Offering } from './fan-out.ts'
import type { AttemptRecord, Delivery, Lane, Release, Room, WebhookQueue } from './queue.ts'
import { nextAttempt } from './schedule.ts'

/** Due lanes are looked for this often without a wake-up: retries of other processes, and leases run out. */
const POLL_MS = 1000
const FAULT_PAUSE_MS = 500
/** Lanes that finish within this time are given back together. */
const GATHER_MS = 12
/** A retry sooner than this has a timer of its own; a later one can wait for the next look. */
const TIMER_MAX_MS = 60_000
/** Lanes at once of an endpoint that does not answer: each of them is held until the time-out. */
const UNREACHABLE_CONCURRENCY = 2
/** One that was not tried again for so long is as any other: its deliveries are over, or it is gone. */
const UNREACHABLE_MS = 600_000

export type DeliverySettings = {
  readonly retrySeconds: readonly number[]
  /** A lane takes no further delivery after this, so that what was done is soon on record. */
  readonly laneSeconds: number
  /** Lanes at once in this process, and of those to one endpoint. */
  readonly concurrency: number
  readonly endpointConcurrency: number
}
export type AttemptOutcome = 'delivered' | 'failed' | 'dead'

type Options = {
  readonly queue: WebhookQueue
  readonly post: Post
  readonly settings: DeliverySettings
  readonly onAttempt: (delivery: Delivery, attempt: AttemptRecord, outcome: AttemptOutcome) => void
  readonly onError: (error: unknown) => void
}

/** Delivers webhooks: lanes beside each other, the deliveries of a lane one after the other. */
export const createDeliverer = ({ queue, post, settings, onAttempt, onError }: Options) => {
  const hold = createHold(queue, onError)
  /** Lanes that are being delivered, by endpoint. */
  const busy = new Map<string, number>()
  /** Endpoints that gave no answer the last time, and when that is forgotten. */
  const unreachable = new Map<string, number>()
  let runs: AbortSignal | undefined
  let running = 0
  let wakeUp = () => {}
  let awake = false
  /** Lanes are being taken: only who is alone in that knows how many there is room for. */
  let taking = false
  /** Somebody has to look for due lanes after that. */
  let isWaitedFor = false
  let stopping = false
  let finished: Release[] = []
  let releasing = false
  /** Lanes delivered so far. */
  let delivered = 0

  const wake = () => {
    awake = true
    wakeUp()
  }

  /** Looks again when the retry of the last attempt is due. */
  const wakeFor = (attempts: readonly AttemptRecord[]) => {
    const at = attempts.at(-1)?.next_at
    if (typeof at !== 'string') return
    const waitMs = Date.parse(at) - Date.now() + 1
    if (waitMs < TIMER_MAX_MS) setTimeout(wake, Math.max(0, waitMs)).unref()
  }

  const attempt = async (lane: Lane, delivery: Delivery): Promise<AttemptRecord> => {
    const at = new Date()
    const { secret, url } = lane
    const { event_id: id, event, instance_id: instanceId, body, again } = delivery
    const result = await post(url, signedHeaders({ id, event, instanceId, body, secret, again }, at), body)
    const number = delivery.attempts + 1
    const record = { delivery: delivery.id, number, at: at.toISOString(), ...outcomeOf(result) }
    if (result.kind === 'answer' && result.status >= 200 && result.status < 300)
      return { ...record, state: 'delivered', next_at: null }
    const next = nextAttempt({
      attemptsMade: number - delivery.retries_from,
      retrySeconds: settings.retrySeconds,
      retryAfterSeconds: result.kind === 'answer' ? result.retryAfterSeconds : undefined,
      now: new Date(),
      random: Math.random,
    })
    return { ...record, state: next ? 'open' : 'dead', next_at: next?.toISOString() ?? null }
  }

  const deliverLane = async (lane: Lane, signal: AbortSignal): Promise<AttemptRecord[]> => {
    const until = performance.now() + settings.laneSeconds * 1000
    const attempts: AttemptRecord[] = []
    for (const delivery of lane.deliveries) {
      const isOver = signal.aborted || performance.now() > until || !hold.has(lane)
      if (isOver || attempts.at(-1)?.state === 'open') break
      const record = await attempt(lane, delivery)
      attempts.push(record)
      onAttempt(delivery, record, record.state === 'open' ? 'failed' : record.state)
      if (record.status === null) unreachable.set(lane.endpointId, performance.now() + UNREACHABLE_MS)
      else if (unreachable.delete(lane.endpointId)) wake()
    }
    return attempts
  }

  const countBusy = (endpointId: string, change: 1 | -1) => {
    running += change
    const count = (busy.get(endpointId) ?? 0) + change
    if (count > 0) busy.set(endpointId, count)
    else busy.delete(endpointId)
  }

  const roomAt = (endpointId: string) => {
    const { endpointConcurrency } = settings
    const max = unreachable.has(endpointId)
      ? Math.min(UNREACHABLE_CONCURRENCY, endpointConcurrency)
      : endpointConcurrency
    return Math.max(0, max - (busy.get(endpointId) ?? 0))
  }

  /** Answers whether there is more to deliver. At a stop a fault is final: the lease runs out, and all comes again. */
  const giveBack = async (releases: readonly Release[]): Promise<boolean> => {
    for (;;) {
      try {
        return await queue.release(releases)
      } catch (error) {
        onError(error)
        if (stopping) return false
        await sleep(FAULT_PAUSE_MS)
      }
    }
  }

  const releaseFinished = async () => {
    if (releasing) return
    releasing = true
    await sleep(GATHER_MS)
    while (finished.length > 0) {
      const releases = finished
      finished = []
      const more = await giveBack(releases)
      for (const { attempts } of releases) wakeFor(attempts)
      if (more || stopping) wake()
    }
    releasing = false
    if (stopping) wake()
  }

  const startLane = async (lane: Lane, signal: AbortSignal) => {
    countBusy(lane.endpointId, 1)
    hold.add(lane)
    const attempts = await deliverLane(lane, signal).catch((error: unknown) => (onError(error), []))
    // There may be due lanes that nobody had room for.
    const wasFull = running >= settings.concurrency || roomAt(lane.endpointId) === 0
    countBusy(lane.endpointId, -1)
    hold.drop(lane)
    delivered++
    if (wasFull) wake()
    const rests = attempts.length === 0 && { restsUntil: new Date(Date.now() + FAULT_PAUSE_MS) }
    finished.push({ lane, attempts, ...rests })
    void releaseFinished()
  }

  const idle = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      wakeUp = () => (clearTimeout(timer), resolve())
    })

  const canTake = () => !taking && running < settings.concurrency

  /** Starts what is taken of the lanes, of as many as there is room for. Answers how many. */
  const startLanes = async (signal: AbortSignal, take: (room: Room) => Promise<readonly Lane[]>) => {
    const known = [...busy.keys(), ...unreachable.keys()]
    taking = true
    try {
      const lanes = await take({
        lanes: settings.concurrency - running,
        perEndpoint: settings.endpointConcurrency,
        endpoints: Object.fromEntries(known.map((id) => [id, roomAt(id)])),
      })
      for (const lane of lanes) void startLane(lane, signal)
      return lanes.length
    } finally {
      taking = false
    }
  }

  /** Lanes that are about to be opened may be taken at once. */
  const offering: Offering = async (open) => {
    if (!runs || runs.aborted || !canTake()) return void (await open(undefined))
    try {
      await startLanes(runs, (room) => open({ ...room, lease: queue.newLease() }))
    } finally {
      if (isWaitedFor) wake()
    }
  }

  /** Takes what is due. Answers how long to wait, unless woken, before looking again. */
  const takeDue = async (signal: AbortSignal): Promise<number> => {
    for (const [id, until] of unreachable) if (until < performance.now()) unreachable.delete(id)
    isWaitedFor = taking
    if (!canTake()) return POLL_MS
    const deliveredBefore = delivered
    const started = await startLanes(signal, queue.claim)
    // What was delivered while the claim was under way made room that it did not know of.
    if (started > 0 && delivered > deliveredBefore) wake()
    return POLL_MS
  }

  const run = async (signal: AbortSignal) => {
    runs = signal
    const ended = new AbortController()
    const held = hold.run(ended.signal)
    signal.addEventListener('abort', wake, { once: true })
    while (!signal.aborted) {
      awake = false
      const waitMs = await takeDue(signal).catch((error: unknown) => (onError(error), FAULT_PAUSE_MS))
      if (!awake) await idle(waitMs)
    }
    stopping = true
    while (running > 0 || releasing) await idle(POLL_MS)
    ended.abort()
    await held
  }

  return { wake, offering, run }
}

const outcomeOf = (result: PostResult) =>
  result.kind === 'answer'
    ? { duration_ms: result.durationMs, status: result.status, error: null, response: result.excerpt ?? null }
    : { duration_ms: result.durationMs, status: null, error: result.reason, response: null }
