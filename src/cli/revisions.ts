import { hash } from 'node:crypto'

const SLOTS_AT_FIRST = 65_536
const FULL = 0.7
const REVISION_MAX = 2 ** 31 - 2

/**
 * The next revision of every stream, in some 24 bytes for each: streams are known by 64 bits of their name's hash. Two
 * of ten million streams have the same with a probability of one in 300,000.
 */
const createRevisions = () => {
  let slots = SLOTS_AT_FIRST
  let used = 0
  let names = new Uint32Array(2 * slots)
  /** 0 where nothing is. */
  let next = new Int32Array(slots)

  const slotOf = (high: number, low: number) => {
    let slot = low % slots
    while (next[slot] !== 0 && (names[2 * slot] !== high || names[2 * slot + 1] !== low))
      slot = (slot + 1) % slots
    return slot
  }

  const put = (slot: number, high: number, low: number, value: number) => {
    names[2 * slot] = high
    names[2 * slot + 1] = low
    next[slot] = value
  }

  const grow = () => {
    const [oldNames, oldNext] = [names, next]
    slots *= 2
    names = new Uint32Array(2 * slots)
    next = new Int32Array(slots)
    oldNext.forEach((value, n) => {
      const [high = 0, low = 0] = [oldNames[2 * n], oldNames[2 * n + 1]]
      if (value !== 0) put(slotOf(high, low), high, low, value)
    })
  }

  return {
    /** Notes an event of a stream. Answers the revision that it should have had. */
    note(stream: string, revision: number): number {
      const name = hash('md5', stream, 'buffer')
      const [high, low] = [name.readUInt32LE(0), name.readUInt32LE(4)]
      if (used > FULL * slots) grow()
      const slot = slotOf(high, low)
      const expected = next[slot] ?? 0
      if (expected === 0) used++
      put(slot, high, low, Math.max(expected, Math.min(revision, REVISION_MAX) + 1, 1))
      return expected
    },
    streams: () => used,
  }
}

/** The revisions of each stream follow each other, without gaps and repetitions. */
export const createRevisionCheck = () => {
  const revisions = createRevisions()
  return {
    /** Notes an event of a stream. Answers what is wrong with its revision, in words. */
    check(stream: string, revision: number): string | undefined {
      const expected = revisions.note(stream, revision)
      if (revision < expected) return `comes after revision ${expected - 1} of its stream`
      if (revision === expected) return undefined
      const missing =
        expected === revision - 1 ? `revision ${expected}` : `revisions ${expected} to ${revision - 1}`
      return `comes, and ${missing} of its stream did not`
    },
    streams: revisions.streams,
  }
}
