import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startApp } from '../support/app.ts'

let app: Awaited<ReturnType<typeof startApp>>
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

test('an event that a read model cannot read shows in /ready and /metrics, and holds up no other', async () => {
  const meta = {
    tenant: randomUUID(),
    actor: { kind: 'system' },
    correlation: 'c',
    version: 1,
    at: new Date(),
  }
  await app.pool.query(
    `insert into event (stream, revision, id, type, data, meta)
     values ($1, 0, $2, 'MessageReceived', '{}', $3)`,
    [`message-${randomUUID()}`, randomUUID(), JSON.stringify(meta)],
  )
  const stateOf = async (name: string) => {
    const { status, body } = await app.admin.get('/ready')
    expect(status).toBe(200)
    const { projections } = body as { projections: { name: string; state: string; error?: string }[] }
    return { overall: body.status, ...projections.find((one) => one.name === name) }
  }
  await vi.waitFor(
    async () => expect(await stateOf('message')).toMatchObject({ overall: 'degraded', state: 'stopped' }),
    10_000,
  )
  expect((await stateOf('message')).error).toContain('message cannot read MessageReceived')
  const { body: metrics } = await app.admin.get('/metrics')
  expect(metrics).toContain('zapini_projection_state{projection="message",state="stopped"} 1')

  const created = await app.admin.post('/instances', { name: 'still works', provider: 'sandbox' })
  expect(created.status).toBe(201)
  expect((await app.admin.get(`/instances/${created.body.data.instance.uuid}`)).status).toBe(200)
  expect(await stateOf('instance')).toMatchObject({ state: 'running' })
})
