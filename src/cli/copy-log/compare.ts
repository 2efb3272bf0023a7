import { createHash } from 'node:crypto'
import { lineOf } from '../../chain/digest.ts'
import { START, type Position } from '../../ports/event-store.ts'
import { eventsOf, type LogReader } from '../../read-log.ts'
import { NotACopy } from './events.ts'

type Options = {
  readonly source: LogReader
  readonly target: LogReader
  /** Positions of the source to find in the target, by name. */
  readonly checkpoints: ReadonlyMap<string, Position>
  readonly onProgress: (position: Position, head: Position, events: number) => void
}

export type Comparison = {
  readonly events: number
  /** Over all events of both logs, in order. */
  readonly sha256: string
  /** Where in the target the last event at or before each checkpoint is; its start if there is none. */
  readonly checkpoints: ReadonlyMap<string, Position>
}

/** Reads both logs from end to end, and throws NotACopy unless they tell the same in the same order. */
export const compareLogs = async (options: Options): Promise<Comparison> => {
  const { source, target, checkpoints, onProgress } = options
  const [head, targetHead] = await Promise.all([source.head(), target.head()])
  const copies = eventsOf(target, START, targetHead)
  const found = new Map([...checkpoints.keys()].map((name) => [name, START]))
  const hash = createHash('sha256')
  let events = 0
  const differ = () =>
    new NotACopy(`The copy is not true: from event ${events + 1} on the logs differ. Copy into an empty log.`)
  try {
    for await (const original of eventsOf(source, START, head)) {
      const { value: copy } = await copies.next()
      const line = lineOf(original)
      if (!copy || lineOf(copy) !== line) throw differ()
      hash.update(line).update('\n')
      events++
      for (const [name, position] of checkpoints)
        if (original.position <= position) found.set(name, copy.position)
      onProgress(original.position, head, events)
    }
    if (!(await copies.next()).done) throw differ()
  } finally {
    await copies.return()
  }
  return { events, sha256: hash.digest('hex'), checkpoints: found }
}
