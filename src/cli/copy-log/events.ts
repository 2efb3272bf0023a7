import { lineOf } from '../../chain/digest.ts'
import { START, type EventStore, type Position, type Recorded } from '../../ports/event-store.ts'
import { eventsOf, readLog, type LogReader } from '../../read-log.ts'
import { wavesOf, type Append, type Wave } from './waves.ts'

const SAVE_EVERY_MS = 500

/** How far a copy has come: so many events are in both logs, the last of them at these positions. */
export type Progress = { readonly source: Position; readonly target: Position; readonly events: number }
export const NOTHING: Progress = { source: START, target: START, events: 0 }

/** The target is not a copy of the source, and cannot become one. */
export class NotACopy extends Error {
  override name = 'NotACopy'
}

type Target = LogReader & Pick<EventStore, 'append'>

type Options = {
  readonly source: LogReader
  /** Reads as the source does. */
  readonly target: Target
  /** Makes of events of the source what the target stores. */
  readonly prepare?: (events: readonly Recorded[]) => Promise<readonly Recorded[]>
  /** Appends under way at once that the target is sure to write in their order. */
  readonly appendsMax: number
  readonly from: Progress
  readonly save: (progress: Progress) => Promise<void>
  readonly onProgress: (position: Position, head: Position, events: number) => void
}

/** Copies what the target does not have yet of the source, in the same order. */
export const copyEvents = async (options: Options): Promise<void> => {
  const { source, target, prepare, appendsMax, from, save, onProgress } = options
  const head = await source.head()
  let progress = await recognise(source, head, target, from)
  let savedAt = 0
  for await (const events of readLog(source, progress.source, head)) {
    for (const wave of wavesOf(prepare ? await prepare(events) : events, appendsMax)) {
      progress = await appendWave(target, wave, progress)
      if (Date.now() - savedAt > SAVE_EVERY_MS) {
        await save(progress)
        savedAt = Date.now()
      }
      onProgress(progress.source, head, progress.events)
    }
  }
  await save(progress)
}

/** What an earlier copy wrote after it last saved how far it was. */
const recognise = async (source: LogReader, head: Position, target: Target, from: Progress) => {
  let progress = from
  const originals = eventsOf(source, from.source, head)
  try {
    for await (const copy of eventsOf(target, from.target, await target.head())) {
      const { value: original } = await originals.next()
      if (!original || lineOf(original) !== lineOf(copy))
        throw new NotACopy(
          `The target holds other events: its event ${progress.events + 1} is ${copy.type} of ${copy.stream}, which the \
source does not have at that place. Copy into an empty log.`,
        )
      const { events } = progress
      progress = { source: original.position, target: copy.position, events: events + 1 }
    }
  } finally {
    await originals.return()
  }
  return progress
}

/**
 * The first goes alone: it may have to open a connection, and others would overtake it. Waits for all, also where one
 * fails, so that nothing is still under way when the copy is given up.
 */
const appendWave = async (target: Target, wave: Wave, before: Progress): Promise<Progress> => {
  const append = ({ stream, events }: Append) =>
    target.append(stream, (events[0]?.revision ?? 0) - 1, events.map(toAppend))
  const [first, ...others] = wave
  if (!first) return before
  const positions = [await append(first)]
  for (const outcome of await Promise.allSettled(others.map(append))) {
    if (outcome.status === 'rejected') throw outcome.reason
    positions.push(outcome.value)
  }
  return {
    source: wave.at(-1)?.events.at(-1)?.position ?? before.source,
    target: positions.at(-1) ?? before.target,
    events: before.events + wave.reduce((sum, { events }) => sum + events.length, 0),
  }
}

const toAppend = ({ id, type, data, meta }: Recorded) => ({ id, type, data, meta })
