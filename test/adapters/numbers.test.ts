import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, QueryConfig } from 'pg'
import { expect, test } from 'vitest'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { numberedKinds } from '../../src/ports/numbers.ts'
import { NO_STREAM } from '../../src/ports/event-store.ts'
import { ensureTable } from '../../src/projections/checkpoint.ts'
import { projections } from '../../src/projections/index.ts'
import { createReadModels } from '../../src/projections/read-models.ts'
import { testPool } from '../support/database.ts'
import { AT, INSTANCE, JOHN, messageStream, outgoing, TENANT, toAppend } from '../support/facts.ts'
import { testLog } from '../support/log.ts'
import { range } from '../support/range.ts'

test.each(numberedKinds)('the first %s is number 1', async (kind) => {
  const pool = await testPool()
  expect(await postgresNumbers(pool)(kind)).toBe(1)
})

test('numbers are given once and rise for each caller, also across programs', async () => {
  const pool = await testPool()
  const programs = [postgresNumbers(pool), postgresNumbers(pool)]
  const taken = await Promise.all(
    programs.map(async (numbers) => {
      const together = await Promise.all(range(700).map(() => numbers('message')))
      const apart: number[] = []
      for (const _ of range(20)) apart.push(await numbers('message'))
      return [...together, ...apart]
    }),
  )
  for (const numbers of taken) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  const all = taken.flat()
  expect(new Set(all).size).toBe(all.length)
})

test('kinds are counted apart', async () => {
  const numbers = postgresNumbers(await testPool())
  await numbers('message')
  await numbers('message')
  expect(await numbers('conversation')).toBe(1)
})

test('on a database made anew from a log, numbers go on where the log ends', async () => {
  const { pool, store, run } = await testLog()
  const at = AT
  const id = '550e8400-e29b-41d4-a716-446655440001'
  const holder = { kind: 'instance', instanceId: INSTANCE } as const
  const person = { email: 'a@example.com', name: 'A', role: 'admin', passwordHash: 'x' } as const
  const definition = { trigger: { type: 'any' as const }, steps: [] }
  const settings = { name: 'F', enabled: true, definition }
  await Promise.all([
    store.append(`tenant-${TENANT}`, NO_STREAM, [
      toAppend({ type: 'TenantCreated', data: { number: 10, name: 'Acme', timeZone: 'UTC', at } }),
    ]),
    store.append(`user-${id}`, NO_STREAM, [
      toAppend({ type: 'UserCreated', data: { ...person, number: 20, at } }),
    ]),
    store.append(`token-${id}`, NO_STREAM, [
      toAppend({ type: 'TokenIssued', data: { number: 30, holder, name: 'T', hash: 'h', at } }),
    ]),
    store.append(`instance-${INSTANCE}`, NO_STREAM, [
      toAppend({
        type: 'InstanceCreated',
        data: { number: 40, name: 'I', provider: 'sandbox', hookSecret: 's', at },
      }),
    ]),
    store.append(`conversation-${id}`, NO_STREAM, [
      toAppend({
        type: 'ConversationStarted',
        data: { number: 50, instanceId: INSTANCE, chat: JOHN, isGroup: false, at },
      }),
    ]),
    store.append(messageStream('60'), NO_STREAM, [
      toAppend({ type: 'MessageQueued', data: outgoing('60', { number: 60 }) }),
    ]),
    store.append(`contact-${id}`, NO_STREAM, [
      toAppend({ type: 'ContactLearned', data: { number: 70, instanceId: INSTANCE, jid: JOHN, at } }),
    ]),
    store.append(`automation-${id}`, NO_STREAM, [
      toAppend({
        type: 'AutomationCreated',
        data: { ...settings, number: 80, instanceId: INSTANCE, kind: 'flow', at },
      }),
    ]),
  ])
  const readModels = createReadModels({ pool, store, onChanged: () => {}, onError: () => {} })
  await readModels.prepare()
  run(readModels)
  expect(await readModels.reached(await store.head(), 20_000, ...readModels.names)).toBe(true)

  const numbers = postgresNumbers(pool)
  await numbers.align()
  const next = await Promise.all(numberedKinds.map(async (kind) => [kind, await numbers(kind)]))
  expect(Object.fromEntries(next)).toEqual({
    tenant: 11,
    user: 21,
    token: 31,
    instance: 41,
    conversation: 51,
    message: 61,
    contact: 71,
    automation: 81,
  })
  await numbers('message')
  await numbers.align()
  expect(await numbers('message'), 'numbers never go back').toBeGreaterThan(62)
})

test('aligning an empty database changes nothing', async () => {
  const { pool, store } = await testLog()
  await createReadModels({ pool, store, onChanged: () => {}, onError: () => {} }).prepare()
  const numbers = postgresNumbers(pool)
  await numbers.align()
  expect(await numbers('instance')).toBe(1)
})

/** As a node has it that is some way off: its statements arrive after a while, each after another. */
const farOff = (pool: Pool): Pool => {
  const query = async (statement: string | QueryConfig) => {
    await sleep(Math.random() * 5)
    return pool.query(statement)
  }
  return Object.create(pool, { query: { value: query } }) as Pool
}

test('nodes that align while others already give numbers take none back', async () => {
  const pool = await testPool(20)
  await ensureTable(pool, projections.numbers)
  await pool.query(`insert into highest_number values ('message', 1000)`)
  for (const _ of range(10)) {
    await pool.query("select setval('message_number', 1, false)")
    const taken = await Promise.all(
      range(8).map(async () => {
        const numbers = postgresNumbers(farOff(pool))
        await numbers.align()
        return Promise.all(range(30).map(() => numbers('message')))
      }),
    )
    const all = taken.flat()
    expect(Math.min(...all)).toBe(1001)
    expect(new Set(all).size).toBe(all.length)
  }
})

test('what was given to things that are gone is not given again', async () => {
  const { pool, store, run } = await testLog()
  const id = '550e8400-e29b-41d4-a716-446655440001'
  await store.append(`automation-${id}`, NO_STREAM, [
    toAppend({
      type: 'AutomationCreated',
      data: {
        number: 80,
        name: 'F',
        enabled: true,
        definition: { trigger: { type: 'any' }, steps: [] },
        instanceId: INSTANCE,
        kind: 'flow',
        at: AT,
      },
    }),
    toAppend({ type: 'AutomationDeleted', data: { at: AT } }),
  ])
  const readModels = createReadModels({ pool, store, onChanged: () => {}, onError: () => {} })
  await readModels.prepare()
  run(readModels)
  expect(await readModels.reached(await store.head(), 20_000, ...readModels.names)).toBe(true)
  expect((await pool.query('select * from automation')).rows).toEqual([])
  const numbers = postgresNumbers(pool)
  await numbers.align()
  expect(await numbers('automation')).toBe(81)
})
