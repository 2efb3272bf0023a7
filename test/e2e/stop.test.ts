import { afterAll, beforeAll, expect, it } from 'vitest'
import { createConnectedInstance, incomingPayload, login } from '../support/client.ts'
import { listen } from '../support/event-stream.ts'
import { range } from '../support/range.ts'
import { eventually } from '../support/eventually.ts'
import { ADMIN, createHome, type Home } from './home.ts'

let home: Home
beforeAll(async () => {
  home = await createHome({ ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password })
})
afterAll(() => home.remove())

it('Ctrl-C ends open event streams at once, and they go on at the next start', async () => {
  const program = await home.start()
  const admin = await login(program.url, ADMIN.email, ADMIN.password)
  const instance = await createConnectedInstance(admin)
  const hook = `/webhooks/instance/${instance}/incoming`
  const streams = await Promise.all(range(3).map(() => listen(admin, { query: '?events=message.received' })))
  await admin.post(hook, incomingPayload('FIRST'))
  for (const stream of streams) await eventually(() => expect(stream.events).toHaveLength(1))

  const begun = performance.now()
  const stopped = program.stop()
  expect(await Promise.all(streams.map(({ ended }) => ended))).toEqual(['end', 'end', 'end'])
  const endedAfterMs = Math.round(performance.now() - begun)
  expect(await stopped).toBe(0)
  const stoppedAfterMs = Math.round(performance.now() - begun)
  console.info(`streams ended after ${endedAfterMs} ms, the program after ${stoppedAfterMs} ms`)
  expect(endedAfterMs).toBeLessThan(1000)

  const again = await home.start()
  const client = await login(again.url, ADMIN.email, ADMIN.password)
  await client.post(hook, incomingPayload('SECOND'))
  const lastEventId = streams[0]?.lastEventId
  const resumed = await listen(client, { query: '?events=message.received', lastEventId })
  await eventually(() => expect(resumed.events).toHaveLength(1))
  expect(resumed.events[0]?.data.data).toMatchObject({ whatsapp_message_id: 'SECOND' })
  expect(await again.stop()).toBe(0)
})
