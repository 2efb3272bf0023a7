import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Refusal } from '../../src/domain/errors.ts'
import { contentTypeOf, hasForms } from '../../src/http/route.ts'
import { bodyCheck, queryCheck, responseCheck, textCheck } from '../../src/http/validate.ts'
import { startApp } from '../support/app.ts'
import type { Json } from '../support/client.ts'
import type { App } from './world.ts'

let app: App
let document: Json
let operations: { name: string; operation: Json }[]
beforeAll(async () => {
  app = await startApp()
  document = (await app.admin.get('/openapi.json')).body
  operations = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  )
})
afterAll(() => app.stop())

/** Whatever the check makes of a value, there is one. */
const mustBeAble = (check: () => unknown, what: string) => {
  try {
    check()
  } catch (error) {
    expect(error, what).toBeInstanceOf(Refusal)
  }
}

describe('the table of routes', () => {
  it('has only schemas that requests and answers can be checked by, though none is looked at before it is needed', () => {
    for (const { operationId, params, query, body, responses } of app.routes) {
      mustBeAble(() => textCheck(params)({}), `${operationId}, path`)
      mustBeAble(() => queryCheck(query)({}), `${operationId}, query`)
      mustBeAble(() => bodyCheck(body)({}), `${operationId}, body`)
      for (const [status, schema] of Object.entries(responses))
        if (!hasForms(schema) && contentTypeOf(schema) === undefined)
          mustBeAble(() => responseCheck(schema)({}), `${operationId}, ${status}`)
    }
  })
})

const ajv = new Ajv2020({ strict: false, allErrors: true })
addFormats.default(ajv)
const schemaErrors = (schema: object, value: unknown) => {
  const check = ajv.compile(schema)
  return check(value) ? [] : check.errors
}
/** Each JSON body and answer of an operation that has a schema. */
const contentsOf = (operation: Json): Json[] =>
  [operation.requestBody, ...Object.values<Json>(operation.responses)]
    .map((part) => part?.content?.['application/json'])
    .filter((content) => content !== undefined)

describe('the OpenAPI document of the whole API', () => {
  it('describes what the reference lists, under the same method and path', () => {
    const names = operations.map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining([
        'POST /auth/login',
        'GET /auth/me',
        'POST /auth/logout',
        'POST /auth/refresh',
        'GET /instances',
        'GET /instances/{id}',
        'GET /instances/{id}/qr',
        'GET /instances/{id}/status',
        'GET /instances/{id}/stats',
        'POST /instances/{id}/disconnect',
        'POST /instances/{id}/reconnect',
        'POST /send-message',
        'POST /send-media',
        'POST /send-reaction',
        'GET /status',
        'GET /qr',
        'GET /health',
        'GET /conversations',
        'GET /conversations/{id}',
        'GET /conversations/{id}/messages',
        'POST /conversations/{id}/mark-read',
        'GET /contacts',
        'POST /contacts',
        'GET /contacts/{id}',
        'PUT /contacts/{id}',
        'DELETE /contacts/{id}',
        'POST /contacts/import',
        'GET /contacts/export',
        'POST /webhooks/instance/{id}/incoming',
        'POST /webhooks/instance/{id}/status',
        'POST /webhooks/instance/{id}/qr',
        'POST /webhooks/instance/{id}/connection',
        'POST /webhooks/instance/{id}/reaction',
        'PUT /instances/{id}/webhook',
        'GET /instances/{id}/groups',
        'POST /instances/{id}/groups',
        'GET /instances/{id}/groups/{jid}',
        'PATCH /instances/{id}/groups/{jid}',
        'POST /instances/{id}/groups/{jid}/participants',
        'DELETE /instances/{id}/groups/{jid}/participants',
        'POST /instances/{id}/groups/{jid}/admins',
        'DELETE /instances/{id}/groups/{jid}/admins',
        'POST /instances/{id}/groups/{jid}/leave',
        'GET /instances/{id}/groups/{jid}/invite',
        'DELETE /instances/{id}/groups/{jid}/invite',
        'POST /media/upload',
        'GET /media/{id}',
        'DELETE /media/{id}',
        'POST /messages/send-media',
        'GET /messages/{id}/media',
      ]),
    )
  })
  it('has schemas that are valid, and examples that fit them', () => {
    let examples = 0
    for (const { name, operation } of operations)
      for (const { schema, example } of contentsOf(operation)) {
        expect(ajv.validateSchema(schema), name).toBe(true)
        if (example === undefined) continue
        expect(schemaErrors(schema, example), name).toEqual([])
        examples++
      }
    expect(examples).toBeGreaterThan(15)
  })
  it('has a unique id, a tag, a summary and an answer that is no error for every operation', () => {
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { name, operation } of operations) {
      expect(operation.summary, name).toMatch(/^[A-Z"]/)
      expect(document.tags.map((tag: Json) => tag.name)).toContain(operation.tags[0])
      const statuses = Object.keys(operation.responses)
      expect(
        statuses.some((status) => status.startsWith('2')),
        name,
      ).toBe(true)
      for (const response of Object.values<Json>(operation.responses))
        expect(response.$ref ?? response.description, name).toBeTruthy()
    }
  })
  it('declares each parameter of a path, once, as required', () => {
    for (const { name, operation } of operations) {
      const declared = operation.parameters.filter((parameter: Json) => parameter.in === 'path')
      const inPath = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter)
      expect(
        declared.map((parameter: Json) => parameter.name),
        name,
      ).toEqual(inPath)
      for (const { required } of declared) expect(required, name).toBe(true)
    }
  })
  it('names security schemes and shared answers that are there', () => {
    const schemes = Object.keys(document.components.securitySchemes)
    for (const { name, operation } of operations) {
      for (const way of operation.security)
        expect(schemes, name).toEqual(expect.arrayContaining(Object.keys(way)))
      for (const { $ref } of Object.values<Json>(operation.responses))
        if ($ref) expect(document.components.responses, name).toHaveProperty($ref.split('/').at(-1))
    }
  })
  it('tells no secret and no mark of ours', () => {
    const text = JSON.stringify(document)
    expect(text).not.toContain('personal')
    expect(text).not.toContain('password_hash')
  })
})
