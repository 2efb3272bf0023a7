import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'
import { ErrorCode } from './wire.ts'

/** Places of fields in a record batch (magic 2); batches are kept as they come. */
const LENGTH_AT = 8
const LENGTH_FROM = 12
const LAST_OFFSET_DELTA_AT = 23
const PRODUCER_ID_AT = 43
const EPOCH_AT = 51
const SEQUENCE_AT = 53
const HEAD_BYTES = 61

/** How many of a producer's last batches are known as repetitions. */
const REMEMBERED = 5

type Batch = { readonly first: bigint; readonly last: bigint; readonly bytes: Buffer }
type Sequence = { readonly first: number; readonly last: number; readonly offset: bigint }

/** The batches one after the other; an unfinished one at the end is left out. */
export const batchesIn = (bytes: Buffer): Buffer[] => {
  const batches: Buffer[] = []
  for (let at = 0; at + HEAD_BYTES <= bytes.length;) {
    const end = at + LENGTH_FROM + bytes.readInt32BE(at + LENGTH_AT)
    if (end > bytes.length) break
    batches.push(bytes.subarray(at, end))
    at = end
  }
  return batches
}

/** The log of one partition, in memory and in a file that is read again at the next start. */
export const openPartition = (file: string, maxBytes: number) => {
  const batches: Batch[] = []
  const producers = new Map<bigint, { epoch: number; sequences: Sequence[] }>()
  let end = 0n

  /** As a broker does: a repetition of one of the last batches is acknowledged, anything else has to follow on. */
  const sequenceError = (id: bigint, epoch: number, first: number, last: number) => {
    const known = producers.get(id)
    if (!known || epoch > known.epoch) return { error: ErrorCode.NONE }
    if (epoch < known.epoch) return { error: ErrorCode.INVALID_PRODUCER_EPOCH }
    const repeated = known.sequences.find((one) => one.first === first && one.last === last)
    if (repeated) return { error: ErrorCode.NONE, repeated }
    const follows = first === (known.sequences.at(-1)?.last ?? -1) + 1
    return { error: follows ? ErrorCode.NONE : ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER }
  }

  const remember = (id: bigint, epoch: number, sequence: Sequence) => {
    const known = producers.get(id)
    const earlier = known?.epoch === epoch ? known.sequences : []
    producers.set(id, { epoch, sequences: [...earlier, sequence].slice(-REMEMBERED) })
  }

  const add = (bytes: Buffer, isNew: boolean): { error: number; offset: bigint } => {
    const count = bytes.readInt32BE(LAST_OFFSET_DELTA_AT) + 1
    const [id, epoch] = [bytes.readBigInt64BE(PRODUCER_ID_AT), bytes.readInt16BE(EPOCH_AT)]
    const first = bytes.readInt32BE(SEQUENCE_AT)
    const last = first + count - 1
    if (isNew && id >= 0n) {
      const { error, repeated } = sequenceError(id, epoch, first, last)
      if (error !== ErrorCode.NONE || repeated) return { error, offset: repeated?.offset ?? -1n }
    }
    const kept = Buffer.from(bytes)
    const offset = end
    kept.writeBigInt64BE(offset, 0)
    end += BigInt(count)
    batches.push({ first: offset, last: end - 1n, bytes: kept })
    if (id >= 0n) remember(id, epoch, { first, last, offset })
    if (isNew) appendFileSync(file, kept)
    return { error: ErrorCode.NONE, offset }
  }

  if (existsSync(file)) {
    const content = readFileSync(file)
    const whole = batchesIn(content)
    for (const batch of whole) add(batch, false)
    truncateSync(
      file,
      whole.reduce((sum, batch) => sum + batch.length, 0),
    )
  }

  return {
    end: () => end,
    append: (bytes: Buffer) =>
      bytes.length > maxBytes ? { error: ErrorCode.MESSAGE_TOO_LARGE, offset: -1n } : add(bytes, true),
    /** From the batch that holds the offset, at least one. */
    read: (offset: bigint, max: number): Buffer => {
      const found: Buffer[] = []
      let size = 0
      for (const { last, bytes } of batches) {
        if (last < offset) continue
        if (found.length > 0 && size + bytes.length > max) break
        found.push(bytes)
        size += bytes.length
      }
      return Buffer.concat(found)
    },
  }
}
export type Partition = ReturnType<typeof openPartition>
