import type { Pool } from 'pg'
import { everChained, lastLink, readLinks, type Link } from '../../chain/links.ts'
import { START, type EventStore, type Position, type Recorded } from '../../ports/event-store.ts'
import type { SealingKeys } from '../../ports/sealing-keys.ts'
import { readLog } from '../../read-log.ts'
import { createChainCheck } from './chain.ts'
import { at, collect, type Findings, type LogDifference, type TellLog } from './findings.ts'
import { keysOf, openStored } from './opening.ts'
import { createRevisionCheck } from '../revisions.ts'
import { wrongData, wrongType } from './shape.ts'

/** Before whatever anybody can have put there: what stands before the start, no other reader is told of. */
const BEFORE_ALL: Position = -(2n ** 63n)

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
  readonly interrupted?: AbortSignal
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
  const { pool, stored, keys, expected, wrong: wrongLog, interrupted, max, onProgress } = options
  const differences = collect<LogDifference>(max)
  const tell = differences.add
  if (wrongLog !== undefined) tell({ kind: 'log', what: wrongLog })
  // One before the other, as both grow: what was ever chained is in the chain, and what is chained is in the log.
  const ever = await everChained(pool)
  const last: Link = await lastLink(pool)
  const head = await stored.head()
  const chain = createChainCheck({ readLinks: (from, many) => readLinks(pool, from, many), last, tell })
  const checkOrder = createOrderCheck(tell)
  let erased = 0

  if (last.last < ever)
    tell({
      kind: 'chain',
      what: `log_digest ends at position ${last.last}, and has been at ${ever}: rows were taken away from its end`,
    })

  for await (const batch of readLog(stored, head === START ? START : BEFORE_ALL, head)) {
    interrupted?.throwIfAborted()
    const known = await keysOf(keys, batch)
    for (const event of batch) {
      checkOrder.take(event)
      await chain.take(event)
      const opened = openStored(event, known)
      if (opened.why !== undefined) tell({ ...at(event), kind: 'sealed', what: opened.why })
      else if (opened.erased) erased++
      const wrong = wrongType(event) ?? wrongData(opened.event)
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

/** Positions rise, and so do the revisions of each stream. */
const createOrderCheck = (tell: TellLog) => {
  const revisions = createRevisionCheck()
  let position = START
  return {
    take(event: Recorded) {
      if (event.position <= position)
        tell({ ...at(event), kind: 'order', what: `comes after position ${position}` })
      position = event.position
      const wrong = revisions.check(event.stream, event.revision)
      if (wrong !== undefined) tell({ ...at(event), kind: 'revision', what: wrong })
    },
    streams: revisions.streams,
  }
}
