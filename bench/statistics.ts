const sorted = (values: readonly number[]) => Float64Array.from(values).sort()

/** The value below which a share of the values lies; NaN of none. */
export const percentile = (values: readonly number[], share: number): number => {
  const ordered = sorted(values)
  return ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * share))] ?? NaN
}

export const median = (values: readonly number[]): number => {
  const ordered = sorted(values)
  const middle = ordered.length >> 1
  const upper = ordered[middle] ?? NaN
  return ordered.length % 2 === 1 ? upper : (upper + (ordered[middle - 1] ?? NaN)) / 2
}
