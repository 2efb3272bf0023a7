import type { ServerWritableStream } from '@grpc/grpc-js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js'
import type { Log, Stored } from './log.ts'
import { createEncoder, nameIn, streamNotFound } from './messages.ts'
import { invalidPosition, streamDeleted, tooBusy } from './refusals.ts'
import { subscribe } from './subscribe.ts'

/** Answers may be bytes that are ready. */
export type ReadCall = ServerWritableStream<ReadReq, ReadResp | Buffer>
export type Send = (answer: ReadResp | Buffer) => Promise<void>

const END = 2n ** 63n
const { BACKWARDS } = streams.ReadReq.Options.ReadDirection

/** Writes an answer; waits while the other side does not take any. */
const sender = (call: ReadCall, signal: AbortSignal): Send => {
  return async (answer) => {
    if (signal.aborted || call.write(answer)) return
    await new Promise<void>((done) => {
      const go = () => {
        call.off('drain', go)
        signal.removeEventListener('abort', go)
        done()
      }
      call.on('drain', go)
      signal.addEventListener('abort', go)
    })
  }
}

/** Streams.Read: a page of a stream or of $all, either way, or a subscription that does not end. */
export const createRead = (log: Log, busyStream?: string) => {
  const encode = createEncoder(log)

  const readStream = async (options: ReadReq.Options, send: Send, signal: AbortSignal) => {
    const asked = options.getStream()
    const name = nameIn(asked?.getStreamIdentifier())
    if (log.isTombstoned(name)) throw streamDeleted(name)
    if (name === busyStream) throw tooBusy()
    const events = log.visible(name)
    if (!events) return send(streamNotFound(name))
    const isBackwards = options.getReadDirection() === BACKWARDS
    const revision = asked?.hasRevision() ? BigInt(asked.getRevision()) : undefined
    const wanted = isBackwards
      ? events
          .filter((event) => asked?.hasEnd() || (revision !== undefined && event.revision <= revision))
          .toReversed()
      : events.filter((event) => revision === undefined || event.revision >= revision)
    await sendAll(wanted.slice(0, Number(options.getCount())), options, send, signal)
  }

  const readAll = async (options: ReadReq.Options, send: Send, signal: AbortSignal) => {
    const isBackwards = options.getReadDirection() === BACKWARDS
    const count = Number(options.getCount())
    const from = placeInAll(log, options.getAll())
    // Forwards from a position means from the event there; backwards, from the one before it.
    const events = isBackwards
      ? log.all.slice(Math.max(0, from - count), from).toReversed()
      : log.all.slice(from, Math.min(log.all.length, from + count))
    await sendAll(events, options, send, signal)
  }

  const sendAll = async (
    events: readonly Stored[],
    options: ReadReq.Options,
    send: Send,
    signal: AbortSignal,
  ) => {
    for (const event of events) {
      if (signal.aborted) return
      await send(encode(event, options.getResolveLinks()))
    }
  }

  const answer = async (call: ReadCall, signal: AbortSignal) => {
    const options = call.request.getOptions()
    if (!options) throw new Error('A read without options')
    const send = sender(call, signal)
    if (options.hasSubscription()) await subscribe({ log, encode, options, send, signal })
    else if (options.hasStream()) await readStream(options, send, signal)
    else await readAll(options, send, signal)
  }

  return (call: ReadCall) => {
    const over = new AbortController()
    call.on('cancelled', () => over.abort())
    call.on('error', () => over.abort())
    answer(call, over.signal).then(
      () => call.end(),
      (error: unknown) => call.emit('error', error),
    )
  }
}

/** The index in `all` at which a read begins. As on a real server, a position has to be that of an event. */
export const placeInAll = (log: Log, asked: ReadReq.Options.AllOptions | undefined): number => {
  if (!asked?.hasPosition()) return asked?.hasEnd() ? log.all.length : 0
  const position = BigInt(asked.getPosition()?.getCommitPosition() ?? 0)
  if (position >= END) return log.all.length
  const index = log.indexFrom(position)
  if (index < log.all.length && log.all[index]?.position !== position) throw invalidPosition()
  return index
}
