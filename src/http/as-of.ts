import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import type { AsOf } from '../as-of/as-of.ts'
import { invalid } from '../domain/errors.ts'
import type { Database } from '../projections/database.ts'
import type { Caller, Route } from './route.ts'
import { now, timeOf } from './times.ts'

const NOTE =
  'With `as_of`, the answer is what was known at that time: everything that was recorded until then, and nothing that came later. What was erased since is shown as `[erased]`.'

/** A route that can be asked as of a time, with what this adds to its schemas. */
export const alsoAsOf = (route: Route): Route => {
  const { description, query, responses } = route
  const shown = responses[200]
  if (!Type.IsObject(shown)) throw new Error(`${route.operationId} cannot say as of when it answers`)
  return {
    ...route,
    description: description === undefined ? NOTE : `${description}\n\n${NOTE}`,
    query: Type.Object({
      ...query?.properties,
      as_of: Type.Optional(
        Type.String({ format: 'date-time', description: 'What was known at this time; not in the future' }),
      ),
    }),
    responses: {
      ...responses,
      200: Type.Object({
        ...shown.properties,
        as_of: Type.Optional(Type.String({ description: 'The time, if one was asked about' })),
      }),
    },
  }
}

const fieldsOf = (value: unknown): { readonly [name: string]: unknown } =>
  typeof value === 'object' ? { ...value } : {}

/**
 * The time that a request asks about; undefined if it asks about now. Left empty (`as_of=`), which elsewhere is as if left
 * out, it is refused: whoever asks about a time does not mean now.
 */
export const timeAsked = (route: Route, query: unknown, isAsked: boolean): string | undefined => {
  if (!isAsked) return undefined
  const { as_of: given } = fieldsOf(query)
  if (!route.asOf) throw invalid('as_of', 'cannot be asked for here: leave it out')
  const at = timeOf(typeof given === 'string' ? given : '', 'as_of')
  if (at > now()) throw invalid('as_of', 'must not be in the future')
  return at
}

type Input = Parameters<Route['handle']>[0]
type Reply = Awaited<ReturnType<Route['handle']>>
/** Answers a request as of a time. */
export type AnswerAsOf = (route: Route, input: Input & { caller: Caller }, at: string) => Promise<Reply>

/**
 * Answers as of a time by the very handlers that answer as of now: they are made once more, upon a database in which the
 * read models are those of that time. So they share no memory with those of now, either.
 */
export const createAnswerAsOf =
  (asOf: AsOf, routesOn: (db: Kysely<Database>) => readonly Route[]): AnswerAsOf =>
  async (route, input, at) => {
    const { caller } = input
    const subject = route.asOf?.({
      ...input,
      params: fieldsOf(input.params),
      query: fieldsOf(input.query),
      at,
    })
    if (!subject) throw new Error(`${route.operationId} is not asked as of a time`)
    const question = { tenantId: caller.tenantId, at, subject, models: route.reads ?? [] }
    const reply = await asOf(question, input.request.signal(), async (db) => {
      const same = routesOn(db).find(({ operationId }) => operationId === route.operationId)
      if (!same) throw new Error(`${route.operationId} is gone`)
      return same.handle({ ...input, asOf: at })
    })
    return { ...reply, body: { ...fieldsOf(reply.body), as_of: at } }
  }
