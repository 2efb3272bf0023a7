import { expect, test } from 'vitest'
import { createLocalTurns } from '../../src/local-turns.ts'
import { createQuota } from '../../src/write/quota.ts'

const LIMIT = 5

/** A quota over counts that change with each look, as they do while messages go out. */
const quotaOver = (looks: readonly (readonly [waiting: number, sent: number])[]) => {
  let look = 0
  const quota = createQuota({
    inTurn: createLocalTurns(),
    byDefault: LIMIT,
    timeZoneOf: async () => 'UTC',
    waiting: async () => looks[look]?.[0] ?? 0,
    sentSince: async () => looks[look++]?.[1] ?? 0,
  })
  const taken = () =>
    quota.spend({
      instanceId: 'one',
      tenantId: 'tenant',
      limit: LIMIT,
      isTaken: async () => false,
      take: async () => 'taken',
    })
  return { taken, looks: () => look }
}

test('a count below the limit is believed at once', async () => {
  const { taken, looks } = quotaOver([[2, 2]])
  expect(await taken()).toBe('taken')
  expect(looks()).toBe(1)
})
test('a message that goes out between the two counts is not counted twice', async () => {
  const { taken } = quotaOver([
    [2, 3],
    [1, 3],
  ])
  expect(await taken()).toBe('taken')
})
test('a limit that is reached by what waits is looked at until nothing moves', async () => {
  const { taken, looks } = quotaOver([
    [3, 2],
    [3, 3],
    [2, 3],
  ])
  await expect(taken()).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED', details: { sent_today: 5 } })
  expect(looks()).toBe(3)
})
test('a limit that is reached by what was sent needs no second look', async () => {
  const { taken, looks } = quotaOver([[0, LIMIT]])
  await expect(taken()).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
  expect(looks()).toBe(1)
})
test('a refusal or a fault does not hold up the next one', async () => {
  const { taken } = quotaOver([
    [0, LIMIT],
    [0, 0],
  ])
  const [first, second] = await Promise.allSettled([taken(), taken()])
  expect([first.status, second.status]).toEqual(['rejected', 'fulfilled'])
})
