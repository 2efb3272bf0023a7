import type { Pool } from 'pg'
import { lastLink, readLinks, type Link } from '../../chain/links.ts'
import { START, type EventStore, type Position, type Recorded } from '../../ports/event-store.ts'
import type { SealingKeys } from '../../ports/sealing-keys.ts'
import { readLog } from '../../read-log.ts'
import { createChainCheck } from './chain.ts'
import { at, collect, type Findings, type LogDifference, type TellLog } from './findings.ts'
import { keysOf, openStored } from './opening.ts'
import { createRevisions } from './revisions.ts'
import { wrongData, wrongType } from './shape.ts'

/** What was noted of a log at an earlier time. */
export type Expected = { readonly events: number; readonly digest: string }

type Options = {
  readonly pool: Pool
  /** As events are stored. */
  readonly stored: EventStore
  readonly keys: SealingKeys
  readonly expected?: Expected | undefined
  /** Why it is not the log that the database belongs to. */
  readonly wrong?: string | undefined
  /** So many differences are named; the others are counted. */
  readonly max: number
  readonly onProgress: (position: Position, head: Position, events: number) => void
}

export type LogReport = {
  readonly events: number
  readonly streams: number
  readonly position: Position
  /** Of the log as it is. */
  readonly digest: string
  /** How much of it the chain knows. */
  readonly chained: number
  /** Events of which what is personal is gone for good. */
  readonly erased: number
  readonly differences: Findings<LogDifference>
}

/** Reads the stored log once, from its start to its present end, and tells what is wrong with it. */
export const verifyLog = async (options: Options): Promise<LogReport> => {
  const { pool, stored, keys, expected, wrong: wrongLog, max, onProgress } = options
  const differences = collect<LogDifference>(max)
  const tell = differences.add
  if (wrongLog !== undefined) tell({ kind: 'log', what: wrongLog })
  // Before the end of the log: what is chained was in the log before.
  const last: Link = await lastLink(pool)
  const head = await stored.head()
  const chain = createChainCheck({ readLinks: (from, many) => readLinks(pool, from, many), last, tell })
  const checkOrder = createOrderCheck(tell)
  let erased = 0

  for await (const batch of readLog(stored, START, head)) {
    const known = await keysOf(keys, batch)
    for (const event of batch) {
      checkOrder.take(event)
      await chain.take(event)
      const opened = openStored(event, known)
      if (!opened.event) tell({ ...at(event), kind: 'sealed', what: opened.why })
      else if (opened.erased) erased++
      const wrong = wrongType(event) ?? (opened.event && wrongData(opened.event))
      if (wrong) tell({ ...at(event), ...wrong })
      if (expected && chain.state().events === expected.events) compareDigest(chain.state(), expected, tell)
    }
    onProgress(batch.at(-1)?.position ?? head, head, chain.state().events)
  }
  await chain.end()
  const { events, digest } = chain.state()
  if (expected && events < expected.events)
    tell({ kind: 'log', what: `the log has ${events} events, and had ${expected.events}` })
  return {
    events,
    streams: checkOrder.streams(),
    position: head,
    digest: digest.toString('hex'),
    chained: Math.min(last.events, events),
    erased,
    differences: differences.findings(),
  }
}

const compareDigest = ({ digest }: { readonly digest: Buffer }, expected: Expected, tell: TellLog) => {
  const found = digest.toString('hex')
  if (found !== expected.digest)
    tell({
      kind: 'log',
      what: `the digest of the first ${expected.events} events is ${found}, and was ${expected.digest}`,
    })
}

/** Positions rise, and the revisions of each stream have neither gaps nor repetitions. */
const createOrderCheck = (tell: TellLog) => {
  const revisions = createRevisions()
  let position = START
  return {
    take(event: Recorded) {
      const { stream, revision } = event
      if (event.position <= position)
        tell({ ...at(event), kind: 'order', what: `comes after position ${position}` })
      position = event.position
      const expected = revisions.note(stream, revision)
      if (revision < expected)
        tell({ ...at(event), kind: 'revision', what: `comes after revision ${expected - 1} of its stream` })
      if (revision > expected) {
        const missing =
          expected === revision - 1 ? `revision ${expected}` : `revisions ${expected} to ${revision - 1}`
        tell({ ...at(event), kind: 'revision', what: `comes, and ${missing} of its stream did not` })
      }
    },
    streams: revisions.streams,
  }
}
