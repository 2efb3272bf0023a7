import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createClient, createConnectedInstance, incomingPayload } from '../support/client.ts'
import type { Answer, Client, Json } from '../support/client.ts'
import { servedRoutes, type ServedRoute } from './routes-table.ts'
import { operatorOf, storingNothing, type App } from './world.ts'

const BODY_LIMIT_BYTES = 100_000
/** The one route with a limit of its own. */
const limitOf = ({ operationId }: ServedRoute) =>
  operationId === 'importContacts' ? 5_000_000 : BODY_LIMIT_BYTES

let app: App
let instance: string
let routes: readonly ServedRoute[]
beforeAll(async () => {
  app = await startApp({ BODY_LIMIT_BYTES: String(BODY_LIMIT_BYTES) })
  instance = await createConnectedInstance(app.admin)
  routes = (await servedRoutes(app.admin)).filter(({ body }) => body !== undefined)
  expect(routes.length).toBeGreaterThan(15)
})
afterAll(() => app.stop())

const callerOf = (route: ServedRoute): Client => {
  if (route.isForOperator) return operatorOf(app)
  return route.isForAnybody ? createClient(app.url) : app.admin
}
const sendTo = (route: ServedRoute, body: unknown, headers?: Record<string, string>) =>
  callerOf(route).call(route.method, route.path.replace('{id}', instance), body, headers)

/** Makes the call on every route with a body; each is to be refused in the same way, and nothing stored. */
const refusedEverywhere = async (
  call: (route: ServedRoute) => Promise<Answer<Json>>,
  status: number,
  code: string,
) =>
  storingNothing(app, async () => {
    for (const route of routes) {
      const { status: answered, body } = await call(route)
      expect(answered, route.operationId).toBe(status)
      expect(body, route.operationId).toMatchObject({
        success: false,
        error: { code, message: expect.stringMatching(/^[A-Z].{10}/) },
      })
    }
  })

describe('on every route that takes a body', () => {
  it.each(['{"a":', 'nonsense', '[]', 'null', '"text"', '{"a":1}{"b":2}'])(
    'the body %s is answered 400',
    (body) => refusedEverywhere((route) => sendTo(route, body), 400, 'MALFORMED_REQUEST'),
  )
  it('a body nested too deep is answered 400', () => {
    const deep = `{"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
    return refusedEverywhere((route) => sendTo(route, deep), 400, 'MALFORMED_REQUEST')
  })
  it('a body that is too large is answered 413', () => {
    const large = (route: ServedRoute) => ({ padding: 'x'.repeat(limitOf(route)) })
    return refusedEverywhere((route) => sendTo(route, large(route)), 413, 'PAYLOAD_TOO_LARGE')
  })
  it('another content type is answered 415', () =>
    refusedEverywhere(
      (route) => sendTo(route, 'a=1', { 'content-type': 'application/x-www-form-urlencoded' }),
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ))
})

/** Values that a field cannot have, by what its schema says. */
const wrongValues = (schema: Json): unknown[] => {
  const wrong: unknown[] = []
  if (schema.anyOf || schema.enum || schema.const !== undefined) wrong.push([[]], 'nonsense-nonsense')
  if (schema.type === 'string') wrong.push(5, {}, null)
  if (schema.maxLength !== undefined) wrong.push('9'.repeat(Number(schema.maxLength) + 1))
  if (schema.minLength > 0) wrong.push('')
  if (schema.type === 'boolean') wrong.push('true', 1)
  if (schema.type === 'integer') wrong.push('3', 1.5, -1)
  if (schema.type === 'array' || schema.type === 'object') wrong.push('x', 5)
  const acceptsAnyText = schema.anyOf?.some(({ type, pattern }: Json) => type === 'string' && !pattern)
  return acceptsAnyText ? wrong.filter((value) => typeof value !== 'string') : wrong
}

describe('every field of every body', () => {
  it('that is required is named when it is missing', async () => {
    const demanding = routes.filter(({ body }) => body.required?.length > 0)
    await storingNothing(app, async () => {
      for (const route of demanding) {
        const { status, body } = await sendTo(route, {})
        expect(status, route.operationId).toBe(422)
        expect(Object.keys(body.error.details).toSorted()).toEqual(route.body.required.toSorted())
      }
    })
  })
  it('that is wrong, empty or too long is named', async () => {
    let tried = 0
    await storingNothing(app, async () => {
      for (const route of routes)
        for (const [name, schema] of Object.entries<Json>(route.body.properties))
          for (const value of wrongValues(schema)) {
            const { status, body } = await sendTo(route, { ...route.example, [name]: value })
            const what = `${route.operationId} ${name} ${JSON.stringify(value).slice(0, 50)}`
            expect(status, what).toBe(422)
            expect(body.error.code, what).toBe('VALIDATION_FAILED')
            expect(Object.keys(body.error.details).join(), what).toMatch(new RegExp(`^${name}\\b`))
            tried++
          }
    })
    expect(tried).toBeGreaterThan(100)
  })
})

describe('what no schema can tell', () => {
  const hook = incomingPayload('BAD')
  const jid = (remoteJid: string) => ({ ...hook, key: { ...hook.key, remoteJid } })
  const wrongTimes = [
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59-23:59',
    '2025-01-15T23:59:60Z',
    '2025-02-30',
  ]
  const cases: readonly (readonly [string, string, string, object])[] = [
    ...['Maria', '123', '5'.repeat(21), '55119@x.y', '5511999999999@broadcast', '@s.whatsapp.net'].map(
      (recipient) => ['/send-message', 'POST', 'recipient', { recipient, message: 'x' }] as const,
    ),
    ...['Maria', '120363041234567890@g.us'].map(
      (phone_number) => ['/contacts', 'POST', 'phone_number', { phone_number }] as const,
    ),
    ['/contacts', 'POST', 'email', { phone_number: '5511999999999', email: 'john' }],
    ['/send-reaction', 'POST', 'to', { to: 'Maria', messageId: 'A', emoji: '👍' }],
    ['/webhooks/instance/{id}/incoming', 'POST', 'message', { ...hook, message: {} }],
    ['/webhooks/instance/{id}/incoming', 'POST', 'message', { ...hook, message: { imageMessage: null } }],
    ['/webhooks/instance/{id}/incoming', 'POST', 'key.remoteJid', jid('nobody')],
    ['/webhooks/instance/{id}/incoming', 'POST', 'participant', { ...hook, participant: 'nobody' }],
    ...[1e20, '999999999999', 1_705_312_200_000].map(
      (messageTimestamp) =>
        [
          '/webhooks/instance/{id}/incoming',
          'POST',
          'messageTimestamp',
          { ...hook, messageTimestamp },
        ] as const,
    ),
    ['/webhooks/instance/{id}/qr', 'POST', 'qr', { qr: 'é'.repeat(1500) }],
    ...wrongTimes.flatMap((time) => [
      ['/webhooks/instance/{id}/qr', 'POST', 'generated_at', { qr: '2@a', generated_at: time }] as const,
      [
        '/webhooks/instance/{id}/connection',
        'POST',
        'timestamp',
        { status: 'offline', timestamp: time },
      ] as const,
      ['/instances/{id}/tokens', 'POST', 'expires_at', { name: 'x', expires_at: time }] as const,
      [
        '/sandbox/instances/{id}/incoming',
        'POST',
        'at',
        { from: '5511999999999', text: 'x', at: time },
      ] as const,
    ]),
  ]
  it.each(cases)('%s %s names %s: %j', async (path, method, field, body) => {
    const call = () => app.admin.call(method, path.replace('{id}', instance), body)
    const { status, body: answer } = await storingNothing(app, call)
    expect(status).toBe(422)
    expect(Object.keys(answer.error.details)).toEqual([field])
  })
  it('NUL and half characters are taken out, and nothing breaks behind the scenes', async () => {
    const text = '"a\\u0000b\\ud800c"'
    const body = `{"recipient":"5511999999999","message":${text}}`
    expect((await app.admin.call('POST', '/send-message', body)).status).toBe(200)
    const { body: list } = await app.admin.get('/conversations?search=5511999999999')
    expect(list.data[0].last_message).toBe('ab\ufffdc')
    expect(app.readModels.status().map(({ state }) => state)).not.toContain('stopped')
    expect(app.faults).toEqual([])
  })
})

describe('a query name that is not known', () => {
  it('is refused by every call that can be asked something, and those that are known are named', async () => {
    const asked = (await servedRoutes(app.admin)).filter(({ query }) => query.length > 0)
    expect(asked.length).toBeGreaterThan(20)
    for (const { operationId, method, path, query } of asked) {
      const misspelt = `${query[0]}_`
      const { status, body } = await app.admin.call(method, `${path.replace('{id}', instance)}?${misspelt}=1`)
      expect(status, operationId).toBe(422)
      expect(body.error, operationId).toMatchObject({
        code: 'VALIDATION_FAILED',
        message: expect.stringContaining(query.join(', ')),
        details: { [misspelt]: ['is not known here'] },
      })
    }
  })
  it('is not one of a list that is written as clients write lists', async () => {
    expect((await app.admin.get('/audit/events?type[]=InstanceCreated&type[]=UserCreated')).status).toBe(200)
    expect((await app.admin.get(`/audit/events?instance_id[]=${instance}`)).status).toBe(422)
  })
})
