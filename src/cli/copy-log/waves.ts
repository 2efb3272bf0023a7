import type { Recorded } from '../../ports/event-store.ts'

const WAVE_BYTES = 4_194_304
/** Of one stream; far below what an append may hold anywhere. */
const APPEND_BYTES = 262_144

/** Events of one stream that follow each other in the log. */
export type Append = { readonly stream: string; readonly events: readonly Recorded[] }
/** Appends that may be under way at once: no two of them to one stream, so that nothing can hold one of them back. */
export type Wave = readonly Append[]

const sizeOf = ({ data, meta }: Recorded) =>
  Buffer.byteLength(JSON.stringify(data)) + Buffer.byteLength(JSON.stringify(meta))

/**
 * Cuts a part of the log into waves of so many appends at most. An event so large that a store may refuse it goes alone, or those behind it would
 * be written without it.
 */
export function* wavesOf(events: readonly Recorded[], appendsMax: number): Generator<Wave> {
  let wave: { stream: string; events: Recorded[] }[] = []
  let streams = new Set<string>()
  let waveBytes = 0
  let appendBytes = 0

  for (const event of events) {
    const bytes = sizeOf(event)
    const last = wave.at(-1)
    if (last?.stream === event.stream && appendBytes + bytes <= APPEND_BYTES) {
      last.events.push(event)
      appendBytes += bytes
      waveBytes += bytes
      continue
    }
    const isFull = wave.length === appendsMax || waveBytes + bytes > WAVE_BYTES
    const isLarge = Math.max(bytes, appendBytes) > APPEND_BYTES
    if (wave.length > 0 && (isFull || isLarge || streams.has(event.stream))) {
      yield wave
      wave = []
      streams = new Set()
      waveBytes = 0
    }
    wave.push({ stream: event.stream, events: [event] })
    streams.add(event.stream)
    waveBytes += bytes
    appendBytes = bytes
  }
  if (wave.length > 0) yield wave
}
