import type { Pool } from 'pg'

const PAGE = 1000

type LogRow = {
  readonly position: number
  readonly stream: string
  readonly type: string
  readonly data: object
  readonly meta: { readonly tenant: string; readonly at: string }
}

/** The whole log with pg alone, in pages that are parsed: the next is on its way while one is worked on. */
async function* logPages(pool: Pool): AsyncGenerator<readonly LogRow[]> {
  const read = async (after: number) => {
    const { rows } = await pool.query<LogRow>({
      name: 'log-page',
      text: `select position, stream, type, data, meta from event where position > $1 order by position limit ${PAGE}`,
      values: [after],
    })
    return rows
  }
  let next = read(0)
  for (;;) {
    const page = await next
    const last = page.at(-1)
    if (!last) return
    next = read(last.position)
    yield page
  }
}

/** Reads and parses it. Answers the number of events. */
export const readAndParse = async (pool: Pool): Promise<number> => {
  let count = 0
  for await (const page of logPages(pool)) count += page.length
  return count
}
