import { Type } from 'typebox'
import { invalid } from '../domain/errors.ts'

const encode = (place: number) => Buffer.from(String(place)).toString('base64url')

/** A query field: where in the log a page ended. */
export const Cursor = Type.String({
  maxLength: 32,
  description: '`next_cursor` of the page before',
})
export const NextCursor = Type.Union([Type.String(), Type.Null()], {
  description: 'For the next page. null: there was nothing yet',
})

/** What a page of `limit` rows says of those that follow; `given` is the cursor that it was asked for with. */
export const cursorOf = (last: { readonly position: number } | undefined, given: string | undefined) =>
  last ? encode(last.position) : (given ?? null)

/** The position that a cursor stands for. */
export const positionOf = (cursor: string | undefined): number | undefined => {
  if (cursor === undefined) return undefined
  const text = Buffer.from(cursor, 'base64url').toString()
  const position = Number(text)
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(position))
    throw invalid('cursor', 'must be the next_cursor of an answer')
  return position
}
