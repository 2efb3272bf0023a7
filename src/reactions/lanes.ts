import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { START, type EventStore, type Position, type Recorded } from '../ports/event-store.ts'
import { createPlaces } from '../places.ts'
import { createProgress } from './progress.ts'
import type { ReactionRunner } from './runner.ts'

const RETRY_MIN_MS = 200
const RETRY_MAX_MS = 30_000

/** Waits for somebody slow without taking up a place that others could work in. */
export type Aside = <T>(task: () => Promise<T>) => Promise<T>

/** Acts on the world, as a `Reaction` does, but event by event: those of one lane in order, lanes beside each other. */
export type LaneWork = {
  readonly name: string
  /** Events of the same lane are handled one after the other; undefined for one that is of no concern. */
  readonly laneOf: (event: Recorded) => string | undefined
  /** Resolves once what had to be done is done. A rejection brings the event again, after a pause. */
  readonly handle: (event: Recorded, signal: AbortSignal, aside: Aside) => Promise<void>
}

type Options = {
  readonly pool: Pool
  readonly store: EventStore
  readonly work: LaneWork
  /** Events that are handled at once. */
  readonly atOnce: number
  /** Events that are read and not done with; the log is read on when there are fewer. */
  readonly unfinishedMax: number
  readonly onError: (error: unknown) => void
}

/**
 * Runs lanes from a stored checkpoint. The checkpoint is the position up to which everything is done, so that whatever
 * a crash left unfinished comes again, and with it what later lanes had finished already.
 */
export const createLaneRunner = (options: Options): ReactionRunner => {
  const { pool, store, work, atOnce, unfinishedMax, onError } = options
  const progress = createProgress(pool, work.name, onError)
  const places = createPlaces(atOnce)
  const room = createPlaces(unfinishedMax)
  /** The last event of each lane; the next one follows it. */
  const lanes = new Map<string, Promise<void>>()
  /** Positions that are not done with, in order, each with the one before it in the log. */
  const unfinished = new Map<Position, Position>()
  const faults = new Map<Position, string>()
  let read: Position = START
  let isLoaded = false
  let failure: string | undefined

  const moveOn = () => {
    const [before = read] = unfinished.values()
    progress.moveTo(before)
  }

  const aside: Aside = async (task) => {
    places.give()
    try {
      return await task()
    } finally {
      await places.take()
    }
  }

  /** Answers whether it is done. */
  const attempt = async (event: Recorded, signal: AbortSignal): Promise<boolean> => {
    try {
      await work.handle(event, signal, aside)
      return true
    } catch (error) {
      if (signal.aborted) return false
      onError(error)
      faults.set(event.position, messageOf(error))
      return false
    }
  }

  const handle = async (event: Recorded, signal: AbortSignal) => {
    for (let pauseMs = RETRY_MIN_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
      if (await places.within(async () => !signal.aborted && attempt(event, signal))) {
        faults.delete(event.position)
        unfinished.delete(event.position)
        moveOn()
        break
      }
      await sleep(pauseMs, undefined, { signal }).catch(() => {})
    }
    room.give()
  }

  const start = (lane: string, event: Recorded, signal: AbortSignal) => {
    const own = (lanes.get(lane) ?? Promise.resolve()).then(() => handle(event, signal))
    lanes.set(lane, own)
    void own.then(() => lanes.get(lane) === own && lanes.delete(lane))
  }

  const follow = async (signal: AbortSignal) => {
    if (!isLoaded) read = await progress.load()
    isLoaded = true
    for await (const batch of store.subscribeToAll(read, signal)) {
      failure = undefined
      for (const event of batch) {
        const lane = work.laneOf(event)
        if (lane !== undefined) {
          await room.take()
          if (signal.aborted) return room.give()
          unfinished.set(event.position, read)
          start(lane, event, signal)
        }
        read = event.position
      }
      moveOn()
    }
  }

  const run = async (signal: AbortSignal) => {
    // Another node may have gone on meanwhile with what was left unfinished here.
    isLoaded = false
    failure = undefined
    unfinished.clear()
    faults.clear()
    while (!signal.aborted) {
      try {
        await follow(signal)
      } catch (error) {
        if (signal.aborted) break
        onError(error)
        failure = messageOf(error)
        await sleep(RETRY_MIN_MS, undefined, { signal }).catch(() => {})
      }
    }
    await Promise.all(lanes.values())
    await progress.flush().catch(onError)
  }

  const status = () => {
    const [fault] = faults.values()
    const error = failure ?? fault
    return { name: work.name, position: progress.position(), ...(error !== undefined && { error }) }
  }
  return { name: work.name, status, run }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
