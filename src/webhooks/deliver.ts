import { setTimeout as sleep } from 'node:timers/promises'
import { signedHeaders } from '../domain/sign.ts'
import type { Post, PostResult } from '../ports/post.ts'
import type { Offering } from './fan-out.ts'
import { createHold } from './hold.ts'
import type { AttemptRecord, Delivery, Lane, Release, WebhookQueue } from './queue.ts'
import { createRoom, type Room, type RoomSettings } from './room.ts'
import { nextAttempt } from './schedule.ts'

/** Due lanes are looked for this often without a wake-up: retries of other processes, and leases run out. */
const POLL_MS = 1000
const FAULT_PAUSE_MS = 500
/** Lanes that finish within this time are given back together. */
const GATHER_MS = 12
/** A retry sooner than this has a timer of its own; a later one can wait for the next look. */
const TIMER_MAX_MS = 60_000

export type DeliverySettings = RoomSettings & {
  readonly retrySeconds: readonly number[]
  /** A lane takes no further delivery after this, so that what was done is soon on record. */
  readonly laneSeconds: number
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
  const room = createRoom(settings)
  let runs: AbortSignal | undefined
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
      if (room.note(lane.endpointId, record.status !== null)) wake()
    }
    return attempts
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
    room.enter(lane.endpointId)
    hold.add(lane)
    const attempts = await deliverLane(lane, signal).catch((error: unknown) => (onError(error), []))
    hold.drop(lane)
    delivered++
    // There may be due lanes that nobody had room for.
    if (room.leave(lane.endpointId)) wake()
    const rests = attempts.length === 0 && { restsUntil: new Date(Date.now() + FAULT_PAUSE_MS) }
    finished.push({ lane, attempts, ...rests })
    void releaseFinished()
  }

  const idle = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      wakeUp = () => (clearTimeout(timer), resolve())
    })

  const canTake = () => !taking && !room.isFull()

  /** Starts what is taken of the lanes, of as many as there is room for. Answers how many. */
  const startLanes = async (signal: AbortSignal, take: (left: Room) => Promise<readonly Lane[]>) => {
    taking = true
    try {
      const lanes = await take(room.left())
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
      await startLanes(runs, (left) => open({ ...left, lease: queue.newLease() }))
    } finally {
      if (isWaitedFor || stopping) wake()
    }
  }

  const takeDue = async (signal: AbortSignal) => {
    isWaitedFor = taking
    if (!canTake()) return
    const deliveredBefore = delivered
    const started = await startLanes(signal, queue.claim)
    // What was delivered while the claim was under way made room that it did not know of.
    if (started > 0 && delivered > deliveredBefore) wake()
  }

  const run = async (signal: AbortSignal) => {
    runs = signal
    const ended = new AbortController()
    const held = hold.run(ended.signal)
    signal.addEventListener('abort', wake, { once: true })
    while (!signal.aborted) {
      awake = false
      const waitMs = await takeDue(signal).then(
        () => POLL_MS,
        (error: unknown) => (onError(error), FAULT_PAUSE_MS),
      )
      if (!awake) await idle(waitMs)
    }
    stopping = true
    while (!room.isEmpty() || taking || releasing) await idle(POLL_MS)
    ended.abort()
    await held
  }

  return { wake, offering, run }
}

const outcomeOf = (result: PostResult) =>
  result.kind === 'answer'
    ? { duration_ms: result.durationMs, status: result.status, error: null, response: result.excerpt ?? null }
    : { duration_ms: result.durationMs, status: null, error: result.reason, response: null }
