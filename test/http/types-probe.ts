import { Type } from 'typebox'
import { reply, route, rawText } from '../../src/http/route.ts'
import { envelope, ok } from '../../src/http/format.ts'
export const a = route({
  method: 'GET', path: '/x/:id', operationId: 'x', tag: 't', summary: 's', access: 'messages:read', limit: 'standard',
  params: Type.Object({ id: Type.String() }),
  query: Type.Object({ n: Type.Optional(Type.Integer()) }),
  body: Type.Object({ kind: Type.Union([Type.Literal('a'), Type.Literal('b')]), list: Type.Array(Type.String()) }),
  successDescription: '',
  responses: { 200: envelope(Type.Object({ kind: Type.Union([Type.Literal('a'), Type.Literal('b')]), list: Type.Array(Type.String()), n: Type.Union([Type.Integer(), Type.Null()]) })), 202: Type.Object({ queued: Type.Literal(true) }) },
  handle: async ({ caller, params, query, body }) => {
    const t: string = caller.tenantId + params.id
    if (t) return reply(202, { queued: true })
    return reply(200, ok({ kind: 'a', list: body.list, n: query.n ?? null }, 'x'))
  },
})
export const pub = route({
  method: 'GET', path: '/x', operationId: 'x', tag: 't', summary: 's', access: 'public', limit: 'none',
  successDescription: '', responses: { 200: rawText('text/csv') },
  async handle() { return reply(200, 'a,b') },
})
export const bad1 = route({
  method: 'GET', path: '/x', operationId: 'x', tag: 't', summary: 's', access: 'public', limit: 'none',
  successDescription: '', responses: { 200: rawText('text/csv') },
  // @ts-expect-error no caller
  async handle({ caller }) { return reply(200, 'a,b' + caller) },
})
export const bad2 = route({
  method: 'GET', path: '/x', operationId: 'x', tag: 't', summary: 's', access: 'public', limit: 'none',
  successDescription: '', responses: { 200: rawText('text/csv') },
  // @ts-expect-error status
  async handle() { return reply(201, 'a,b') },
})
export const bad3 = route({
  method: 'GET', path: '/x', operationId: 'x', tag: 't', summary: 's', access: 'public', limit: 'none',
  successDescription: '', responses: { 200: envelope(Type.Object({ a: Type.Integer() })) },
  // @ts-expect-error body
  handle: async () => reply(200, ok({ a: 'no' })),
})
