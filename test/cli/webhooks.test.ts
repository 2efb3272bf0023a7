import { randomUUID } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { recordQueries } from '../../bench/recorded-queries.ts'
import { findEndpoint } from '../../src/cli/webhooks/endpoint.ts'
import { webhooksCommand } from '../../src/cli/webhooks/command.ts'
import { loadConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { createRedeliveries, NotWanted } from '../../src/webhooks/redelivery.ts'
import { planOf } from '../support/plans.ts'
import { range } from '../support/range.ts'
import { allDelivered, connected, everything, incoming, startQueue, stopQueue } from '../webhooks/support.ts'

afterAll(stopQueue)

const SINCE = '2025-01-01T00:00:00.000Z'

test('what is not said as it should be is refused before anything is opened', async () => {
  const output = { write: () => true }
  const says = (...args: string[]) =>
    webhooksCommand.run({
      args,
      config: loadConfig({ DATABASE_URL: 'postgres://nowhere.invalid/none' }),
      log: createLog('silent'),
      screen: { out: output, progress: output },
    })
  const endpoint = ['--endpoint', '1']
  const cases: [string[], RegExp][] = [
    [[], /one thing that webhooks can do/],
    [['redeliver', ...endpoint], /--since and --endpoint are missing/],
    [['redeliver', '--since', SINCE], /--since and --endpoint are missing/],
    [['redeliver', ...endpoint, '--since', 'yesterday'], /--since is a day such as/],
    [['redeliver', ...endpoint, '--since', '2026-01-01T08:00:00'], /--since is a day such as/],
    [['redeliver', ...endpoint, '--since', '2026-01-02', '--until', '2026-01-02T00:00:00Z'], /not after/],
    [['redeliver', ...endpoint, '--since', '2026-02-30'], /--since is a day such as/],
    [['redeliver', ...endpoint, '--since', '9998-01-01'], /--since is in the future/],
    [['redeliver', ...endpoint, '--since', SINCE, '--rate', '0'], /--rate is a whole number/],
    [['redeliver', ...endpoint, '--since', SINCE, '--rate', '20/min'], /--rate is a whole number/],
  ]
  for (const [args, words] of cases) {
    const refused = await Promise.resolve()
      .then(() => says(...args))
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ name: 'WrongUsage', message: expect.stringMatching(words) })
  }
})

test('an event is in the queue once as news and once in each run, whatever is told again; what is not subscribed to is not', async () => {
  const { pool, addEndpoint, fanOut, worker, openCounts, deliveries } = await startQueue()
  const [instance, conversation] = [randomUUID(), randomUUID()]
  const endpointId = await addEndpoint(instance, { events: ['message.incoming'] })
  const [first, second, third] = [1, 2, 3].map((n) => incoming(instance, conversation, `message ${n}`))
  if (!first || !second || !third) throw new Error('There are three')
  await fanOut([first, second])
  let woken = 0
  const redeliveries = createRedeliveries(pool, () => woken++)
  const wanted = { endpointId, since: SINCE }
  const run = await redeliveries.begin(wanted, 50n)
  expect(run).toMatchObject({ position: 0n, upTo: 50n })
  expect(
    await redeliveries.add(
      run,
      wanted,
      [first, connected(instance), incoming(randomUUID(), conversation)],
      10n,
    ),
  ).toBe(1)
  expect(await redeliveries.begin(wanted, 90n), 'the same range goes on').toEqual({ ...run, position: 10n })
  expect(await redeliveries.add(run, wanted, [first, second], 20n)).toBe(1)
  expect(woken).toBe(2)
  const other = await redeliveries.begin({ ...wanted, until: '2025-02-01T00:00:00.000Z' }, 50n)
  expect(other.id).not.toBe(run.id)
  expect(await redeliveries.waiting(endpointId)).toEqual({ open: 2, lanesDue: 1 })

  await fanOut([first, second, third])
  const queue = worker()
  const lanes = await queue.claim(everything)
  const ids = (again: boolean) =>
    lanes
      .flatMap(({ deliveries }) => deliveries.filter((one) => one.again === again))
      .map((one) => one.event_id)
  expect(ids(false)).toEqual([first.id, second.id, third.id])
  expect(ids(true), 'on a lane of its own').toEqual([first.id, second.id])
  expect(lanes).toHaveLength(2)
  await queue.release(lanes.map(allDelivered))
  expect(await openCounts()).toEqual([
    { open: 0, really: 0 },
    { open: 0, really: 0 },
  ])
  expect(await redeliveries.counts(run)).toEqual({ open: 0, delivered: 2, dead: 0 })
  await redeliveries.finish(run)
  const again = await redeliveries.begin(wanted, 90n)
  expect(again.id, 'a finished one begins anew').not.toBe(run.id)
  expect(await redeliveries.add(again, wanted, [first], 10n)).toBe(1)
  expect((await deliveries.list({ instanceId: instance, limit: 10 })).map((one) => one.again)).toEqual([
    true,
    ...[false],
    ...[true, true],
    ...[false, false],
  ])
})

test('deliveries of an event, first ones and repeated ones, are found without a look at all of them', async () => {
  const { pool, addEndpoint, fanOut, deliveries } = await startQueue()
  const instance = randomUUID()
  const endpointId = await addEndpoint(instance)
  const events = range(3000).map(() => incoming(instance, randomUUID()))
  const [wanted] = events
  if (!wanted) throw new Error('There are many')
  await fanOut(events)
  const redeliveries = createRedeliveries(pool, () => {})
  const again = { endpointId, since: SINCE }
  await redeliveries.add(await redeliveries.begin(again, 50n), again, events, 50n)
  await pool.query('vacuum analyze webhook_delivery')
  const record = recordQueries(pool)
  const [query] = (await record(() => deliveries.ofEvent(wanted.id))).flat()
  if (!query) throw new Error('Nothing was asked')
  const { wholeTables, pages } = await planOf(pool, query)
  expect({ wholeTables, isFew: pages < 40 }).toEqual({ wholeTables: [], isFew: true })
  expect((await deliveries.ofEvent(wanted.id)).map((one) => one.again)).toEqual([false, true])
})

test('an endpoint that is switched off in the middle stops the run where it is', async () => {
  const { pool, addEndpoint, switchEndpoint } = await startQueue()
  const instance = randomUUID()
  const endpointId = await addEndpoint(instance)
  const redeliveries = createRedeliveries(pool, () => {})
  const wanted = { endpointId, since: SINCE }
  const run = await redeliveries.begin(wanted, 50n)
  await switchEndpoint(endpointId, false)
  await expect(redeliveries.add(run, wanted, [connected(instance)], 10n)).rejects.toThrow(NotWanted)
  expect(await redeliveries.begin(wanted, 50n)).toEqual(run)
})

test('an endpoint is found by its own id or by its instance, if it is switched on', async () => {
  const { pool, addEndpoint, switchEndpoint } = await startQueue()
  await pool.query('create table if not exists instance (id uuid primary key, number bigint)')
  const instance = randomUUID()
  const id = await addEndpoint(instance, { events: ['message.incoming'] })
  await pool.query('insert into instance values ($1, 77)', [instance])
  for (const named of [id, instance.toUpperCase(), '77'])
    expect(await findEndpoint(pool, named)).toMatchObject({
      id,
      instanceId: instance,
      names: { 'message.received': 'message.incoming' },
    })
  await expect(findEndpoint(pool, '78')).rejects.toThrow('There is no webhook endpoint 78')
  await switchEndpoint(id, false)
  await expect(findEndpoint(pool, id)).rejects.toThrow(/is switched off/)
})
