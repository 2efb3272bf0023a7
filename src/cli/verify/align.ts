/** What became of a list: places in it (`was`) and in what stands there now (`is`). */
export type Alignment =
  | { readonly kind: 'changed'; readonly is: number }
  | { readonly kind: 'added'; readonly is: number }
  | { readonly kind: 'moved'; readonly is: number }
  /** So many are gone from before `is`. */
  | { readonly kind: 'missing'; readonly is: number; readonly count: number }

/** Compares two lists of hashes, in which none occurs twice: as many as possible stay in their places. */
export const align = (was: readonly string[], is: readonly string[]): Alignment[] => {
  const placeWas = new Map(was.map((hash, n) => [hash, n]))
  const found = is.map((hash) => placeWas.get(hash))
  const staying = longestRising(found)
  const elsewhere = new Set(found.filter((place, n) => place !== undefined && !staying.has(n)))
  const alignments: Alignment[] = []
  let [fromWas, fromIs] = [0, 0]

  /** What is between two that stay: of what is not known there, one stands for the other. */
  const settle = (toWas: number, toIs: number) => {
    let gone = 0
    for (let n = fromWas; n < toWas; n++) if (!elsewhere.has(n)) gone++
    for (let n = fromIs; n < toIs; n++) {
      if (found[n] !== undefined) alignments.push({ kind: 'moved', is: n })
      else if (gone > 0) {
        gone--
        alignments.push({ kind: 'changed', is: n })
      } else alignments.push({ kind: 'added', is: n })
    }
    if (gone > 0) alignments.push({ kind: 'missing', is: toIs, count: gone })
  }

  for (const n of staying) {
    const place = found[n] ?? 0
    settle(place, n)
    ;[fromWas, fromIs] = [place + 1, n + 1]
  }
  settle(was.length, is.length)
  return alignments
}

/** Where the members of a longest rising subsequence are. */
const longestRising = (values: readonly (number | undefined)[]): Set<number> => {
  /** For each length, where the least value is that a subsequence of that length ends with. */
  const ends: number[] = []
  const before: (number | undefined)[] = []
  values.forEach((value, n) => {
    if (value === undefined) return
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((values[ends[middle] ?? 0] ?? 0) < value) low = middle + 1
      else high = middle
    }
    before[n] = low > 0 ? ends[low - 1] : undefined
    ends[low] = n
  })
  const members: number[] = []
  for (let n = ends.at(-1); n !== undefined; n = before[n]) members.push(n)
  return new Set(members.reverse())
}
