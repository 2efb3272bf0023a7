import { describe, expect, test, vi } from 'vitest'
import { messageId } from '../../src/domain/ids.ts'
import { NO_STREAM, START } from '../../src/ports/event-store.ts'
import { conversations } from '../../src/projections/conversations.ts'
import { readCheckpoint } from '../../src/projections/checkpoint.ts'
import { createMark } from '../../src/projections/mark.ts'
import { messages, type MessageRow } from '../../src/projections/messages.ts'
import type { Projection } from '../../src/projections/projection.ts'
import { createProjectionRunner } from '../../src/projections/runner.ts'
import { incoming, INSTANCE, messageStream, toAppend } from '../support/facts.ts'
import { testLog, type TestLog } from '../support/log.ts'
import { rowsOf } from '../support/rows.ts'
import { tellStory } from '../support/story.ts'
import { eventually } from '../support/eventually.ts'

const WAIT_MS = 20_000

/** A runner with what it complained about; `start` lets it run, `stop` ends it. */
const runnerOf = <Row extends object>({ pool, store, run }: TestLog, projection: Projection<Row>) => {
  const errors: Error[] = []
  const onError = (error: unknown) =>
    void errors.push(error instanceof Error ? error : new Error(String(error)))
  const mark = createMark({ name: projection.name })
  const runner = createProjectionRunner({ pool, store, projection, mark, onError })
  const stopping = new AbortController()
  let stopped: Promise<void> | undefined
  return {
    ...runner,
    errors,
    status: mark.state,
    reached: (position: bigint) => mark.reached(position, WAIT_MS),
    start: () =>
      run({
        run: (signal) => (stopped ??= runner.run(AbortSignal.any([signal, stopping.signal]))),
      }),
    stop: async () => {
      stopping.abort()
      await stopped
    },
  }
}

const receive = ({ store }: TestLog, number: number) =>
  store.append(messageStream(`m${number}`), NO_STREAM, [
    toAppend({ type: 'MessageReceived', data: incoming(`m${number}`, { number }) }),
  ])
const receiveMany = async (log: TestLog, from: number, to: number) => {
  let last = START
  for (let n = from; n <= to; n++) last = await receive(log, n)
  return last
}
const numbersIn = async ({ pool }: TestLog) =>
  (await pool.query<{ number: number }>('select number from message order by number')).rows.map(
    ({ number }) => number,
  )

test('a row is there once its position is reached, and not said to be before', async () => {
  const log = await testLog()
  const runner = runnerOf(log, messages)
  const last = await receiveMany(log, 1, 3)
  expect(runner.status()).toMatchObject({ state: 'starting', position: START })
  runner.start()
  expect(await runner.reached(last)).toBe(true)
  expect(await numbersIn(log)).toEqual([1, 2, 3])
  expect(runner.status()).toEqual({ name: 'message', state: 'running', position: last })
})

test('a table that rests for long is left at once when it is to be stopped', async () => {
  const log = await testLog()
  const runner = runnerOf(log, { ...messages, restMs: 3_600_000 })
  runner.start()
  await runner.reached(await receive(log, 1))
  await receive(log, 2)
  await runner.stop()
  expect(await numbersIn(log)).toContain(1)
})

describe('rows and checkpoint', () => {
  test('move together: a save that fails moves neither, and is made again', async () => {
    const log = await testLog()
    const runner = runnerOf(log, messages)
    runner.start()
    const good = await receive(log, 1)
    await runner.reached(good)
    await log.pool.query('alter table message add constraint small check (number < 3)')
    const last = await receiveMany(log, 2, 4)
    await eventually(() => expect(runner.errors.map(({ message }) => message).join()).toContain('small'))
    const [checkpoint, numbers] = [await readCheckpoint(log.pool, 'message'), await numbersIn(log)]
    const events = await Promise.all(numbers.map((n) => log.store.readStream(messageStream(`m${n}`))))
    expect(events.at(-1)?.[0]?.position).toBe(checkpoint)
    expect(checkpoint).toBeLessThan(last)

    await log.pool.query('alter table message drop constraint small')
    await eventually(async () => expect(await numbersIn(log)).toEqual([1, 2, 3, 4]))
    expect(await readCheckpoint(log.pool, 'message')).toBe(last)
  })

  test('moved by somebody else are taken up where they are now', async () => {
    const log = await testLog()
    const runner = runnerOf(log, messages)
    runner.start()
    await runner.reached(await receiveMany(log, 1, 3))
    await log.pool.query(`
      begin; delete from message; update checkpoint set position = 0 where name = 'message'; commit`)
    expect(await runner.reached(await receive(log, 4))).toBe(true)
    await eventually(async () => expect(await numbersIn(log)).toEqual([1, 2, 3, 4]))
    expect(runner.errors).toEqual([])
  })

  test('are kept over a restart: nothing is told again', async () => {
    const log = await testLog()
    const first = runnerOf(log, messages)
    first.start()
    const end = await receiveMany(log, 1, 3)
    await first.reached(end)
    await first.stop()
    await log.pool.query('delete from message where number = 2')
    const second = runnerOf(log, messages)
    second.start()
    await second.reached(await receive(log, 4))
    expect(await numbersIn(log)).toEqual([1, 3, 4])
  })

  test('know at the latest when stopped how far they came, if nothing concerned them', async () => {
    const log = await testLog()
    const runner = runnerOf(log, conversations)
    runner.start()
    const end = await log.store.append('tenant-1', NO_STREAM, [
      toAppend({ type: 'TenantDisabled', data: { at: '2025-01-15T10:30:00.000Z' } }),
    ])
    await runner.reached(end)
    await runner.stop()
    expect(await readCheckpoint(log.pool, 'conversation')).toBe(end)
  })
})

describe('an event that cannot be read', () => {
  test('stops its projection by name and no other, until it is mended', async () => {
    const log = await testLog()
    const [stopped, other] = [runnerOf(log, messages), runnerOf(log, conversations)]
    await receiveMany(log, 1, 2)
    const bad = await receive(log, 3)
    const [stored] = await log.store.readStream(messageStream('m3'))
    const rewrite = (type: string, data: object) =>
      log.pool.query('update event set type = $1, data = $2 where position = $3', [
        type,
        JSON.stringify(data),
        String(bad),
      ])
    await rewrite('MessageReacted', { instanceId: INSTANCE })
    for (const runner of [stopped, other]) runner.start()

    await eventually(() => expect(stopped.status().state).toBe('stopped'))
    const { error } = stopped.status()
    expect(error).toContain('message cannot read MessageReacted')
    expect(error).toContain(`at ${bad} (message-${messageId(INSTANCE, 'm3')} revision 0)`)
    expect(stopped.errors.map(({ message }) => message)).toEqual([error])
    const end = await receive(log, 4)
    expect(await other.reached(end)).toBe(true)
    expect(await stopped.reached(end), 'a stopped projection keeps nobody waiting').toBe(false)

    await rewrite(stored?.type ?? '', stored?.data ?? {})
    await vi.waitFor(() => expect(stopped.status()).toMatchObject({ state: 'running', position: end }), {
      timeout: 20_000,
    })
    expect(await numbersIn(log)).toEqual([1, 2, 3, 4])
  })
})

describe('a table is made anew from the log', () => {
  const built = async (log: TestLog, projection: Projection<MessageRow>) => {
    const runner = runnerOf(log, projection)
    runner.start()
    await runner.reached(await log.store.head())
    return runner
  }

  test('when it was dropped, with equal rows', async () => {
    const log = await testLog()
    await tellStory(log.store)
    await (await built(log, messages)).stop()
    const before = await rowsOf(log.pool, 'message')
    await log.pool.query('drop table message')
    await built(log, messages)
    expect(await rowsOf(log.pool, 'message')).toEqual(before)
    expect(before.length).toBeGreaterThan(5)
  })

  test('when it was dropped under a projection that runs', async () => {
    const log = await testLog()
    const runner = await built(log, messages)
    await runner.reached(await receiveMany(log, 1, 2))
    await log.pool.query('drop table message')
    await receive(log, 3)
    await eventually(async () => expect(await numbersIn(log)).toEqual([1, 2, 3]))
  })

  test('when its version was raised', async () => {
    const log = await testLog()
    await receiveMany(log, 1, 2)
    await (await built(log, messages)).stop()
    const { MessageReceived, ...rest } = messages.on
    const shouting: Projection<MessageRow> = {
      ...messages,
      version: messages.version + 1,
      on: {
        ...rest,
        MessageReceived: (event) =>
          (MessageReceived?.(event) ?? []).map(({ key, evolve }) => ({
            key,
            evolve: (row) => {
              const after = evolve(row)
              return after && { ...after, body: after.body?.toUpperCase() ?? null }
            },
          })),
      },
    }
    await built(log, shouting)
    const { rows } = await log.pool.query('select body from message order by number')
    expect(rows).toEqual([{ body: 'M1' }, { body: 'M2' }])
  })

  test('and only then: the same version keeps its rows', async () => {
    const log = await testLog()
    await receiveMany(log, 1, 2)
    await (await built(log, messages)).stop()
    await log.pool.query(`update message set body = 'kept'`)
    await built(log, messages)
    const { rows } = await log.pool.query('select distinct body from message')
    expect(rows).toEqual([{ body: 'kept' }])
  })
})

test('why a table stopped is told without what was to be written, since everybody may read it', async () => {
  const log = await testLog()
  const runner = runnerOf(log, messages)
  await runner.prepare()
  await log.pool.query('alter table message alter column body type integer using null')
  await log.store.append(messageStream('m1'), NO_STREAM, [
    toAppend({ type: 'MessageReceived', data: incoming('the words of a tenant') }),
  ])
  runner.start()
  await eventually(() => expect(runner.status()).toMatchObject({ state: 'stopped' }))
  expect(runner.status().error).toBe('The database refuses a row of message (22P02); the log says more.')
  expect(runner.errors[0]?.message).toContain('invalid input syntax')
  await runner.stop()
})
