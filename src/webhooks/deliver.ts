import { setTimeout as sleep } from 'node:timers/promises'
import type { Post, PostResult } from '../ports/post.ts'
import type { AttemptRecord, Delivery, Lane, Release, WebhookQueue } from './queue.ts'
import { nextAttempt } from './schedule.ts'
import { signedHeaders } from './sign.ts'

/** Due lanes are looked for this often without a wake-up: retries of other processes, and leases run out. */
const POLL_MS = 1000
const FAULT_PAUSE_MS = 500
/** A retry sooner than this has a timer of its own; a later one can wait for the next look. */
const TIMER_MAX_MS = 60_000

export type DeliverySettings = {
  readonly retrySeconds: readonly number[]
  /** A lane takes no further delivery after this; with the time-out of one post it stays within its lease. */
  readonly laneSeconds: number
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
  const busy = new Map<string, number>()
  let running = 0
  let wakeUp = () => {}
  let awake = false
  let stopping = false
  let finished: Release[] = []
  let releasing: Promise<void> | undefined

  const wake = () => {
    awake = true
    wakeUp()
  }

  const wakeAt = (at: Date) => {
    const waitMs = at.getTime() - Date.now() + 1
    if (waitMs < TIMER_MAX_MS) setTimeout(wake, Math.max(0, waitMs)).unref()
  }

  const attempt = async (lane: Lane, delivery: Delivery): Promise<AttemptRecord> => {
    const at = new Date()
    const { secret, url } = lane
    const { event_id: id, event, instance_id: instanceId, body } = delivery
    const result = await post(url, signedHeaders({ id, event, instanceId, body, secret }, at), body)
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

  const deliverLane = async (lane: Lane, signal: AbortSignal) => {
    const until = Date.now() + settings.laneSeconds * 1000
    const attempts: AttemptRecord[] = []
    let dueAt: Date | undefined
    for (const delivery of lane.deliveries) {
      if (dueAt || signal.aborted || Date.now() > until) break
      const record = await attempt(lane, delivery)
      attempts.push(record)
      onAttempt(delivery, record, record.state === 'open' ? 'failed' : record.state)
      if (record.next_at !== null) dueAt = new Date(record.next_at)
    }
    if (dueAt) wakeAt(dueAt)
    finished.push({ lane, attempts, dueAt })
  }

  const countBusy = (endpointId: string, change: 1 | -1) => {
    running += change
    const count = (busy.get(endpointId) ?? 0) + change
    if (count > 0) busy.set(endpointId, count)
    else busy.delete(endpointId)
  }

  const isFull = (releases: readonly Release[]) =>
    running >= settings.concurrency ||
    releases.some(({ lane }) => (busy.get(lane.endpointId) ?? 0) >= settings.endpointConcurrency)

  /** Lanes that finish while an earlier release is under way are given back together. */
  const releaseFinished = async () => {
    while (finished.length > 0) {
      const releases = finished
      finished = []
      const wasFull = isFull(releases)
      let more = false
      try {
        more = await queue.release(releases)
      } catch (error) {
        onError(error)
        finished.unshift(...releases)
        await sleep(FAULT_PAUSE_MS)
        continue
      }
      for (const { lane } of releases) countBusy(lane.endpointId, -1)
      if (more || wasFull || stopping) wake()
    }
  }

  const startLane = (lane: Lane, signal: AbortSignal) => {
    countBusy(lane.endpointId, 1)
    void deliverLane(lane, signal)
      .catch((error: unknown) => {
        onError(error)
        finished.push({ lane, attempts: [], dueAt: new Date(Date.now() + FAULT_PAUSE_MS) })
      })
      .then(() => {
        releasing ??= releaseFinished().finally(() => (releasing = undefined))
      })
  }

  const idle = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      wakeUp = () => (clearTimeout(timer), resolve())
    })

  /** Takes what there is room for. Answers how long to wait, unless woken, before looking again. */
  const takeLanes = async (signal: AbortSignal): Promise<number> => {
    const room = settings.concurrency - running
    if (room <= 0) return POLL_MS
    const lanes = await queue.claim({
      lanes: room,
      perEndpoint: settings.endpointConcurrency,
      busy: Object.fromEntries(busy),
    })
    for (const lane of lanes) startLane(lane, signal)
    return POLL_MS
  }

  const run = async (signal: AbortSignal) => {
    signal.addEventListener('abort', wake, { once: true })
    while (!signal.aborted) {
      awake = false
      const waitMs = await takeLanes(signal).catch((error: unknown) => (onError(error), FAULT_PAUSE_MS))
      if (!awake) await idle(waitMs)
    }
    stopping = true
    while (running > 0) await idle(POLL_MS)
  }

  return { wake, run }
}

const outcomeOf = (result: PostResult) =>
  result.kind === 'answer'
    ? { duration_ms: result.durationMs, status: result.status, error: null, response: result.excerpt ?? null }
    : { duration_ms: result.durationMs, status: null, error: result.reason, response: null }
