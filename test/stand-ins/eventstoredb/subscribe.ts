import { randomUUID } from 'node:crypto'
import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js'
import type { Log, Stored } from './log.ts'
import { caughtUp, checkpoint, confirmation, nameIn } from './messages.ts'
import { placeInAll, type Send } from './read.ts'
import { streamDeleted } from './refusals.ts'

const WINDOW = 32

type Options = {
  readonly log: Log
  readonly encode: (event: Stored, resolvesLinks: boolean) => Buffer
  readonly options: ReadReq.Options
  readonly send: Send
  readonly signal: AbortSignal
}

/**
 * A catch-up subscription: confirmation, history, caught up, then what comes. It pulls from the log in one loop, so that
 * order, backpressure and the change to what is new need nothing of their own.
 */
export const subscribe = async ({ log, encode, options, send, signal }: Options) => {
  const stream = options.getStream()
  const name = stream && nameIn(stream.getStreamIdentifier())
  const events = () => (name === undefined ? log.all : (log.visible(name) ?? []))
  const isWanted = filterOf(options.getFilter())
  const everyEvents = checkpointInterval(options.getFilter())
  let next = startOf(log, options, events().length)
  let considered = 0
  let lastCheckpoint = -1n
  let isLive = false

  const mark = async (position: bigint | undefined) => {
    considered = 0
    if (position === undefined || position <= lastCheckpoint) return
    lastCheckpoint = position
    await send(checkpoint(position))
  }

  await send(confirmation(randomUUID()))
  while (!signal.aborted) {
    for (let event = events()[next]; event && !signal.aborted; event = events()[next]) {
      next++
      if (isWanted(event)) await send(encode(event, options.getResolveLinks()))
      if (++considered >= everyEvents) await mark(event.position)
    }
    if (name !== undefined && log.isTombstoned(name)) throw streamDeleted(name)
    if (isLive) await log.next(signal)
    else {
      isLive = true
      if (options.hasFilter()) await mark(log.all[next - 1]?.position)
      await send(caughtUp())
    }
  }
}

/** What a subscription starts after: the last event that has been handled. */
const startOf = (log: Log, options: ReadReq.Options, end: number): number => {
  const [stream, all] = [options.getStream(), options.getAll()]
  if (stream?.hasEnd() || all?.hasEnd()) return end
  if (stream?.hasRevision()) return Number(stream.getRevision()) + 1
  return all?.hasPosition() ? Math.min(end, placeInAll(log, all) + 1) : 0
}

const filterOf = (filter: ReadReq.Options.FilterOptions | undefined): ((event: Stored) => boolean) => {
  const expression = filter?.getStreamIdentifier() ?? filter?.getEventType()
  if (!filter || !expression) return () => true
  const subjectOf = (event: Stored) => (filter.hasStreamIdentifier() ? event.stream : event.type)
  const regex = expression.getRegex()
  if (regex !== '') {
    const pattern = new RegExp(regex)
    return (event) => pattern.test(subjectOf(event))
  }
  return (event) => expression.getPrefixList().some((prefix) => subjectOf(event).startsWith(prefix))
}

const checkpointInterval = (filter: ReadReq.Options.FilterOptions | undefined) => {
  if (!filter) return Infinity
  const window = filter.hasMax() ? filter.getMax() : WINDOW
  return window * Math.max(1, filter.getCheckpointintervalmultiplier())
}
