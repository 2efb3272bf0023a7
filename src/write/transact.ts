import { LRUCache } from 'lru-cache'
import { catalogue, upcast, type ZapiniEvent } from '../domain/catalogue.ts'
import { fold, streamOf, type Decide, type Decider, type DomainEvent } from '../domain/decider.ts'
import { newId } from '../domain/ids.ts'
import type { Context } from '../domain/metadata.ts'
import { createLocalTurns } from '../local-turns.ts'
import { NO_STREAM, START, WrongRevision, type EventStore, type Position } from '../ports/event-store.ts'
import { validateEvent } from './validate-event.ts'

/** Every conflict is a write of another program, which needs one round trip where the loser needs two. */
const ATTEMPTS = 100
/** States kept in memory; the log stays the judge, since every append names the revision it builds on. */
const STATES_KEPT = 20_000

type Known<S> = {
  readonly state: S
  readonly revision: number
  readonly position: Position
  /** How often something had changed in the log when it was read. */
  readonly changes: number
}
export type Written<S, E> = {
  readonly state: S
  readonly events: readonly E[]
  /** Position after which a read model knows this state; START if the stream is empty. */
  readonly position: Position
}
type Options = {
  /** The stream most likely does not exist yet: decide first, read only on a conflict. */
  readonly expectNew?: boolean
  /** Within what the events are appended. */
  readonly within?: <T>(append: () => Promise<T>) => Promise<T>
}

export type Transact = <S, E extends DomainEvent & ZapiniEvent>(
  decider: Decider<S, E>,
  id: string,
  decide: Decide<S, E>,
  context: Context,
  options?: Options,
) => Promise<Written<S, E>>

/** Reads the present state of one aggregate from the log. */
export type Load = <S, E extends DomainEvent & ZapiniEvent>(
  decider: Decider<S, E>,
  id: string,
) => Promise<Known<S>>

/** The state that this process last knew, if it knows the aggregate; good for going ahead, not for refusing. */
export type Recall = <S, E extends DomainEvent & ZapiniEvent>(
  decider: Decider<S, E>,
  id: string,
) => S | undefined

/**
 * The one door for writes: load the stream, fold, decide, append at the revision decided on, decide again if somebody
 * else wrote first. A remembered state spares the read as long as it leads to an append, which the log then checks;
 * before answering that there is nothing to do, or refusing, the stream is read. `changes` rises when what was read may
 * read otherwise, because it was erased: what is remembered from before then is forgotten.
 */
export const createTransact = (
  store: EventStore,
  onAppended: (category: string, events: number) => void = () => {},
  changes: () => number = () => 0,
) => {
  const remembered = new LRUCache<string, Known<unknown>>({ max: STATES_KEPT })

  const recallStream = <S>(stream: string): Known<S> | undefined => {
    const known = remembered.get(stream) as Known<S> | undefined
    return known?.changes === changes() ? known : undefined
  }
  const fresh = <S>(decider: { readonly initial: S }): Known<S> => ({
    state: decider.initial,
    revision: NO_STREAM,
    position: START,
    changes: changes(),
  })

  const load: Load = async <S, E extends DomainEvent & ZapiniEvent>(decider: Decider<S, E>, id: string) => {
    const stream = streamOf(decider, id)
    const before = recallStream<S>(stream) ?? fresh(decider)
    const events = await store.readStream(stream, before.revision + 1)
    const last = events.at(-1)
    if (!last) return before
    // Only this aggregate's events are on its stream: transact is the one writer, and it validates.
    const state = fold(decider, events.map((event) => upcast(event)) as unknown as E[], before.state)
    return remember(stream, { ...before, state, revision: last.revision, position: last.position })
  }

  const recall: Recall = <S, E extends DomainEvent & ZapiniEvent>(decider: Decider<S, E>, id: string) =>
    recallStream<S>(streamOf(decider, id))?.state

  const remember = <S>(stream: string, known: Known<S>) => {
    remembered.set(stream, known)
    return known
  }

  /** A write to a stream waits for the one before it, since only one can build on a revision; the log judges the rest. */
  const inTurn = createLocalTurns()

  const transact: Transact = (decider, id, ...rest) =>
    inTurn(streamOf(decider, id), () => write(decider, id, ...rest))

  const write: Transact = async (
    decider,
    id,
    decide,
    context,
    { expectNew = false, within = atOnce } = {},
  ) => {
    type Of = typeof decider extends Decider<infer S, DomainEvent> ? S : never
    const stream = streamOf(decider, id)
    let guess = recallStream<Of>(stream) ?? (expectNew ? fresh(decider) : undefined)
    for (let attempt = 1; ; attempt++) {
      const known = guess ?? (await load(decider, id))
      const events = attemptDecision(() => decide(known.state), guess !== undefined)
      if (events === undefined || (events.length === 0 && guess)) {
        guess = undefined
        continue
      }
      if (events.length === 0) return { state: known.state, events, position: known.position }
      events.forEach(validateEvent)
      const at = new Date().toISOString()
      try {
        const stored = events.map((event) => ({
          ...event,
          id: newId(),
          meta: { ...context, version: catalogue[event.type]?.version ?? 1, at },
        }))
        const position = await within(() => store.append(stream, known.revision, stored))
        onAppended(decider.category, events.length)
        const state = fold(decider, events, known.state)
        remember(stream, { ...known, state, revision: known.revision + events.length, position })
        return { state, events, position }
      } catch (error) {
        if (!(error instanceof WrongRevision) || attempt >= ATTEMPTS) throw error
        guess = undefined
      }
    }
  }
  return { transact, load, recall }
}

const atOnce = <T>(append: () => Promise<T>) => append()

/** A refusal decided on a guess may be out of date; undefined asks for another look. */
const attemptDecision = <E>(decide: () => readonly E[], guessed: boolean): readonly E[] | undefined => {
  try {
    return decide()
  } catch (error) {
    if (guessed) return undefined
    throw error
  }
}
