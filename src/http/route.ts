import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Type, type Static, type TObject, type TSchema } from 'typebox'
import type { Subject } from '../as-of/question.ts'
import type { ErrorCode } from '../domain/errors.ts'
import type { Actor } from '../domain/metadata.ts'
import type { ReadModel } from '../projections/read-models.ts'
import { alsoAsOf } from './as-of.ts'
import type { Permission } from './permissions.ts'

/** Whoever a token stands for. */
export type Caller = {
  readonly tenantId: string
  readonly actor: Actor
  readonly tokenId: string
  readonly permissions: ReadonlySet<Permission>
  /** Set for the token of one instance: the only instance it reaches. */
  readonly instanceId?: string
  readonly userId?: string
  /** The token's own rate limit, instead of the deployment's. */
  readonly requestsPerWindow?: number
}

/** What a handler, or whoever authenticates, may know of the HTTP request. */
export type RouteRequest = {
  readonly id: string
  readonly host: string
  /** Where the client reached us: `https://api.example.com`. */
  origin(): string
  readonly ip: string
  /** The body as it came, for signatures; empty for a route without a body. */
  readonly rawBody: Buffer
  header(name: string): string | undefined
  /** Aborts when the client goes away. */
  signal(): AbortSignal
  /** The request itself, for a route that reads its body as a stream (`upload`). */
  readonly incoming: IncomingMessage
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
/** `operator`: the bearer token of the operator. `signed-hook`: a bearer token or an HMAC of the body. */
export type Access = 'public' | 'operator' | 'signed-hook' | Permission

type Responses = Readonly<Record<number, TSchema>>
type Immutable<T> = T extends Readable
  ? T
  : T extends object
    ? { readonly [K in keyof T]: Immutable<T[K]> }
    : T
type Headers = Readonly<Record<string, string>>
type Reply<S, B> = { readonly status: S; readonly body: B; readonly headers?: Headers }
type ReplyOf<R extends Responses> = {
  [S in keyof R & number]: R[S] extends TSchema ? Reply<S, Immutable<Static<R[S]>>> : never
}[keyof R & number]
type CallerOf<A extends Access> = A extends 'public' | 'operator' ? unknown : { readonly caller: Caller }
type Input<A extends Access, P extends TSchema, Q extends TSchema, B extends TSchema> = CallerOf<A> & {
  readonly params: Static<P>
  readonly query: Static<Q>
  readonly body: Static<B>
  readonly request: RouteRequest
  /** The time that is asked about; undefined for now. */
  readonly asOf?: string | undefined
}

type Description<
  A extends Access,
  P extends TObject,
  Q extends TObject,
  B extends TSchema,
  R extends Responses,
> = {
  readonly method: Method
  /** As in `/instances/:id/qr`; served under `/api/v1` too. */
  readonly path: string
  readonly operationId: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly access: A
  /** `account`: concerns more than one instance, so the token of an instance gets 403. */
  readonly scope?: 'account'
  readonly limit: 'standard' | 'login' | 'none'
  /** Read models that the answer is made from: they know everything that was written when it was asked for. */
  readonly reads?: readonly ReadModel[]
  /** Can be asked as of a time, with `as_of`: what is asked about then. The answer is made from `reads`, and nothing else. */
  asOf?(asked: {
    readonly caller: Caller
    readonly params: Static<P>
    readonly query: Static<Q>
    readonly at: string
  }): Subject
  /** Other names under which a body or query field is accepted. The canonical name wins if both are given. */
  readonly aliases?: Readonly<Record<string, readonly string[]>>
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** Bytes that its body may have, where that is more than the deployment allows in general. */
  readonly bodyLimitBytes?: number
  /** The fields of a multipart/form-data body, for the documentation; the handler reads it from `request.incoming`. */
  readonly upload?: TObject
  readonly successDescription: string
  readonly responses: R
  /** Error codes that this route may answer beyond those that its access and shape bring; for the documentation. */
  readonly refusals?: readonly ErrorCode[]
  /** Served, but not shown in the documentation. */
  readonly undocumented?: true
  readonly examples?: { readonly body?: unknown; readonly response?: unknown }
}

/** Any route, its types forgotten: what the server and the documentation work with. */
export type Route = Description<Access, TObject, TObject, TSchema, Responses> & {
  handle(input: {
    readonly caller?: Caller | undefined
    readonly params: unknown
    readonly query: unknown
    readonly body: unknown
    readonly request: RouteRequest
    readonly asOf?: string | undefined
  }): Promise<Reply<number, unknown>>
}

type Nothing = TObject<Record<never, TSchema>>

/**
 * A route is data: one value makes the handler, its checks and its page in the documentation. Types of `handle` come
 * from the schemas: a status that is not in `responses`, or a body that does not fit it, does not compile.
 */
export const route = <
  const A extends Access,
  const R extends Responses,
  P extends TObject = Nothing,
  Q extends TObject = Nothing,
  B extends TSchema = Nothing,
>(
  definition: Description<A, P, Q, B, R> & { handle(input: Input<A, P, Q, B>): Promise<ReplyOf<R>> },
): Route => (definition.asOf ? alsoAsOf(definition) : definition)

/** The same call once more, under /chat. */
export const inChat = (original: Route): Route => ({
  ...original,
  path: `/chat${original.path}`,
  operationId: `${original.operationId}InChat`,
  tag: 'Chat',
})

/** What a handler answers with. */
export const reply = <const S extends number, const B>(status: S, body: B, headers?: Headers): Reply<S, B> =>
  headers ? { status, body, headers } : { status, body }

/** The schema of an answer that is not JSON, such as `rawText('text/csv')`. */
export const rawText = (contentType: string, description?: string) =>
  Type.String({ contentMediaType: contentType, ...(description && { description }) })

/** The schema of an answer made of bytes, such as `rawBytes('image/png')`. */
export const rawBytes = (contentType: string, description?: string) =>
  Type.Unsafe<Buffer>({ type: 'string', contentMediaType: contentType, ...(description && { description }) })

/** The schema of an answer that is sent as it is read, such as `streamed('text/csv')`. */
export const streamed = (contentType: string, description?: string) =>
  Type.Unsafe<Readable>({
    type: 'string',
    contentMediaType: contentType,
    ...(description && { description }),
  })

/**
 * The schema of an answer that is sent as it is read, in one of several forms, each under its content type; the reply
 * says which in its header `Content-Type`.
 */
export const streamedAs = (forms: Forms) => Type.Unsafe<Readable>({ forms })

type Forms = Readonly<Record<string, TSchema>>
export const hasForms = (schema: TSchema): schema is TSchema & { readonly forms: Forms } => 'forms' in schema

/** The schemas that an answer may have, by content type. */
export const formsOf = (schema: TSchema): Forms =>
  hasForms(schema) ? schema.forms : { [contentTypeOf(schema) ?? 'application/json']: schema }

/** The content type that `rawText` or `rawBytes` was given; undefined means JSON. */
export const contentTypeOf = (schema: TSchema | undefined): string | undefined =>
  schema && 'contentMediaType' in schema && typeof schema.contentMediaType === 'string'
    ? schema.contentMediaType
    : undefined
