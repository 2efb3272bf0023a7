/**
 * The rows that were written last, by their keys, up to a number of bytes. There are two generations: when the younger
 * one is half of it, the older one is forgotten as a whole, which costs less than to know which row was used last.
 */
export const keepRows = <Row extends object>(bytesMax: number) => {
  let young = new Map<string, Row>()
  let old = new Map<string, Row>()
  let bytes = 0
  let hasForgotten = false

  const remove = (id: string) => {
    young.delete(id)
    old.delete(id)
  }

  return {
    get: (id: string) => young.get(id) ?? old.get(id),
    keep: (id: string, row: Row, size: number) => {
      if (bytes + size > bytesMax / 2) {
        hasForgotten ||= old.size > 0
        old = young
        young = new Map()
        bytes = 0
      }
      bytes += size
      old.delete(id)
      young.set(id, row)
    },
    remove,
    /** Puts another row, or none, in the place of each that is asked for. */
    replace: (isAskedFor: (row: Row) => boolean, change: (row: Row) => Row | undefined) => {
      for (const rows of [young, old])
        for (const [id, row] of rows) {
          if (!isAskedFor(row)) continue
          const changed = change(row)
          if (changed) rows.set(id, changed)
          else rows.delete(id)
        }
    },
    /** Whether any row was forgotten, so that there are others. */
    hasForgotten: () => hasForgotten,
  }
}
