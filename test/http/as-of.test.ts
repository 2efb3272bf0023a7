import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { contactId, conversationId } from '../../src/domain/ids.ts'
import type { Answer, Client, Json } from '../support/client.ts'
import { startToldApp } from '../support/told-app.ts'
import { CHATS, createLife } from './life.ts'
import { addTenant, storingNothing } from './world.ts'

const SHOWN = 100

/** What was answered at a time. */
type Moment = {
  readonly at: string
  readonly answers: ReadonlyMap<string, Pick<Answer<Json>, 'status' | 'body'>>
}
type Shop = { readonly client: Client; readonly tenant: string; readonly instance: string }

let app: Awaited<ReturnType<typeof startToldApp>>
beforeAll(async () => {
  app = await startToldApp()
})
afterAll(() => app.stop())

const openShop = async (name: string) => {
  const { tenant, client } = await addTenant(app, name, { time_zone: 'America/Sao_Paulo' })
  return { client, tenant: tenant.uuid, ...(await app.pair(client)) }
}

/** Everything that can be asked as of a time, of everything that was ever heard of. */
const pathsOf = ({ instance }: Shop, numbers: ReadonlySet<number>) => {
  const lists = [
    '/conversations?format=chat',
    `/conversations?search=5511900000001&include_tags=true&instance_id=${instance}`,
    '/conversations/archived?include_tags=true',
    '/chat/conversations?untagged=true',
    '/contacts?sort=name',
    `/contacts?search=person&instance_id=${instance}`,
  ].map((path) => `${path}&per_page=${SHOWN}`)
  const ids = [...CHATS.map((chat) => conversationId(instance, chat)), ...[...numbers].map(String)]
  const ofConversations = ids.flatMap((id) => [
    `/conversations/${id}?x=1`,
    `/conversations/${id}/messages?limit=${SHOWN}`,
    `/chat/conversations/${id}/messages?limit=5`,
  ])
  const ofContacts = CHATS.map((chat) => `/contacts/${contactId(instance, chat)}?x=1`)
  return [
    ...lists,
    '/tags?x=1',
    '/stats?x=1',
    `/stats?instance_id=${instance}`,
    ...ofConversations,
    ...ofContacts,
  ]
}

/** Asks everything now, while nothing happens. */
const look = async (shop: Shop, numbers: Set<number>): Promise<Moment> => {
  const moment = await storingNothing(app, async () => {
    const { body } = await shop.client.get(`/conversations?per_page=${SHOWN}`)
    for (const { number } of body.data) numbers.add(number)
    const answers = new Map<string, Pick<Answer<Json>, 'status' | 'body'>>()
    for (const path of pathsOf(shop, numbers)) {
      const { status, body } = await shop.client.get(path)
      answers.set(path, { status, body })
    }
    return { at: new Date().toISOString(), answers }
  })
  await vi.waitFor(() => expect(new Date().toISOString() > moment.at).toBe(true), { interval: 1 })
  return moment
}

const askAsOf = (client: Client, path: string, at: string) => client.get(`${path}&as_of=${at}`)

const expectSameAs = async (shop: Shop, { at, answers }: Moment) => {
  for (const [path, then] of answers) {
    const { status, body } = await askAsOf(shop.client, path, at)
    const { as_of, ...rest } = body
    expect({ path, at, status, body: rest }).toEqual({ path, at, ...then })
    if (status === 200) expect(as_of).toBe(at)
  }
}

describe('an answer as of a time', () => {
  it.each([1, 2])(
    'is the one that was given then, whatever came later (life %i)',
    async (seed) => {
      const shops = await Promise.all([openShop(`one-${seed}`), openShop(`other-${seed}`)])
      const lives = shops.map((shop, n) => createLife(app, shop, seed * 10 + n))
      const moments: [Shop, Moment][] = []
      const numbers = new Set<number>()
      for (let n = 0; n < 5; n++) {
        for (let steps = 0; steps < 25; steps++) for (const life of lives) await life.step()
        const shop = shops[n % 2]
        if (shop) moments.push([shop, await look(shop, numbers)])
      }
      const statuses = new Set(
        moments.flatMap(([, { answers }]) => [...answers.values()].map(({ status }) => status)),
      )
      expect([...statuses].toSorted()).toEqual([200, 404])
      for (const [shop, moment] of moments) await expectSameAs(shop, moment)
      expect(app.faults).toEqual([])
    },
    120_000,
  )
})
