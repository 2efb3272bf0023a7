import { Type, type Static, type TSchema } from 'typebox'

export const Nullable = Type.Union([Type.String(), Type.Null()])

/** `2025-01-15T10:30:00Z` */
export const isoSeconds = (time: string | Date) => `${wholeSeconds(time)}Z`
export const secondsOrNull = (time: string | null) => (time === null ? null : isoSeconds(time))
/** `2025-12-29T12:00:00.000000Z` */
export const isoMicros = (time: string) => new Date(time).toISOString().replace('Z', '000Z')
const wholeSeconds = (time: string | Date) =>
  new Date(time).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length)

/** The reference's frame of an answer that went well. */
export const ok = <const T>(data: T, message?: string) => ({
  success: true as const,
  ...(message !== undefined && { message }),
  data,
})

/** The schema of `ok(data)`. */
export const envelope = <T extends TSchema>(data: T) =>
  Type.Object({ success: Type.Literal(true), message: Type.Optional(Type.String()), data })

/** The schema of an answer that only says that it was done: `done(message)`. */
export const Done = Type.Object({ success: Type.Literal(true), message: Type.String() })
export const done = (message: string): Static<typeof Done> => ({ success: true, message })

const PER_PAGE = 15
const PER_PAGE_MAX = 100
/** Keeps the number of rows to skip within what PostgreSQL counts. */
const PAGE_MAX = 1_000_000

/** Query fields of a list that is read page by page: `Type.Object({ ...pageQuery, … })`. */
export const pageQuery = {
  page: Type.Optional(
    Type.Integer({ minimum: 1, maximum: PAGE_MAX, default: 1, description: 'Page to show, from 1.' }),
  ),
  per_page: Type.Optional(
    Type.Integer({ minimum: 1, maximum: PER_PAGE_MAX, default: PER_PAGE, description: 'Items per page.' }),
  ),
}
/** The page asked for, with its defaults. */
export const pageOf = (query: { page?: number; per_page?: number }) => {
  const [page, perPage] = [query.page ?? 1, query.per_page ?? PER_PAGE]
  return { page, perPage, offset: (page - 1) * perPage }
}

export const PageMeta = Type.Object({
  pagination: Type.Object({
    total: Type.Integer(),
    per_page: Type.Integer(),
    current_page: Type.Integer(),
    last_page: Type.Integer(),
  }),
})
/** `meta` of a page; an empty list has one page. */
export const pageMeta = (total: number, perPage: number, currentPage: number): Static<typeof PageMeta> => ({
  pagination: {
    total,
    per_page: perPage,
    current_page: currentPage,
    last_page: Math.max(1, Math.ceil(total / perPage)),
  },
})
/** The schema of `{ ...ok(items), meta: pageMeta(…) }`. */
export const pagedEnvelope = <T extends TSchema>(item: T) =>
  Type.Object({ success: Type.Literal(true), data: Type.Array(item), meta: PageMeta })
