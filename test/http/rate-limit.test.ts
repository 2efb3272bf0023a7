import { afterEach, expect, it, vi } from 'vitest'
import { inProcessCounters } from '../../src/adapters/in-process/counters.ts'
import { startToys } from './support.ts'

let toys: Awaited<ReturnType<typeof startToys>> | undefined
const start = async (settings: Parameters<typeof startToys>[0] = {}) => (toys = await startToys(settings))
afterEach(() => toys?.stop())

it('each token has its own allowance, told in headers, and 429 with Retry-After beyond it', async () => {
  const { get } = await start({ settings: { rateLimitRequests: 2 } })
  const first = await get('/toys/1')
  expect(first.headers.get('x-ratelimit-limit')).toBe('2')
  expect(first.headers.get('x-ratelimit-remaining')).toBe('1')
  const untilReset = Number(first.headers.get('x-ratelimit-reset')) - Date.now() / 1000
  expect(untilReset).toBeGreaterThan(890)
  expect(untilReset).toBeLessThanOrEqual(901)

  expect((await get('/toys/1')).headers.get('x-ratelimit-remaining')).toBe('0')
  const refused = await get('/toys/1')
  expect(refused.status).toBe(429)
  expect(refused.headers.get('x-ratelimit-remaining')).toBe('0')
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(890)
  expect(await refused.json()).toMatchObject({ success: false, error: { code: 'RATE_LIMITED' } })

  expect((await get('/toys/1', 'viewer')).status).toBe(200)
})

it('the allowance comes back with the next window', async () => {
  const { get } = await start({ settings: { rateLimitRequests: 1, rateLimitWindowSeconds: 1 } })
  expect((await get('/toys/1')).status).toBe(200)
  expect((await get('/toys/1')).status).toBe(429)
  await vi.waitFor(async () => expect((await get('/toys/1')).status).toBe(200), {
    timeout: 3000,
    interval: 100,
  })
})

it('a token’s own limit replaces the deployment’s', async () => {
  const { get } = await start({ settings: { rateLimitRequests: 1 } })
  expect((await get('/toys/1', 'generous')).headers.get('x-ratelimit-limit')).toBe('1000')
  expect((await get('/toys/1', 'generous')).status).toBe(200)
})

it('zero turns the limit off', async () => {
  const { get } = await start({ settings: { rateLimitRequests: 0 } })
  const response = await get('/toys/1')
  expect(response.status).toBe(200)
  expect(response.headers.has('x-ratelimit-limit')).toBe(false)
})

it('routes without a limit are not counted', async () => {
  const { get } = await start({ settings: { rateLimitRequests: 1 } })
  for (let n = 0; n < 3; n++) expect((await get('/export')).status).toBe(200)
})

const login = (post: NonNullable<typeof toys>['post'], email: string, password: string) =>
  post('/login', { email, password }, '')

it('ten failed logins to one account are followed by 429, whatever the case of the address', async () => {
  const { post } = await start()
  for (let n = 0; n < 10; n++) expect((await login(post, 'ana@example.com', 'wrong')).status).toBe(401)
  const refused = await login(post, ' ANA@example.com', 'right')
  expect(refused.status).toBe(429)
  expect(refused.headers.has('retry-after')).toBe(true)
  expect((await login(post, 'rui@example.com', 'right')).status).toBe(200)
})

it('twenty failed logins from one address are followed by 429, whatever the account', async () => {
  const { post } = await start()
  for (let n = 0; n < 20; n++) expect((await login(post, `user${n}@example.com`, 'wrong')).status).toBe(401)
  expect((await login(post, 'other@example.com', 'right')).status).toBe(429)
})

it('logins that succeed are not counted', async () => {
  const { post } = await start()
  for (let n = 0; n < 30; n++) expect((await login(post, 'ana@example.com', 'right')).status).toBe(200)
})

it('failed authentications of one address are bounded, and a valid token behind it keeps working', async () => {
  const { get } = await start()
  for (let n = 0; n < 100; n++) expect((await get('/toys/1', `guess${n}`)).status).toBe(401)
  expect((await get('/toys/1', 'guess100')).status).toBe(429)
  expect((await get('/toys/1', 'admin')).status).toBe(200)
})

it('the address is the one that our proxy saw, only where a proxy is trusted', async () => {
  const attempt = (post: NonNullable<typeof toys>['post'], n: number) =>
    post('/login', { email: `user${n}@example.com`, password: 'wrong' }, '', {
      'X-Forwarded-For': `10.0.0.9, 10.0.${n}.1`,
    })
  const trusting = await start({ settings: { trustProxy: true } })
  for (let n = 0; n < 21; n++) expect((await attempt(trusting.post, n)).status).toBe(401)
  await trusting.stop()
  const doubting = await start()
  for (let n = 0; n < 20; n++) expect((await attempt(doubting.post, n)).status).toBe(401)
  expect((await attempt(doubting.post, 20)).status).toBe(429)
})

it('requests are served while nothing can be counted, and that is logged', async () => {
  const broken = () => Promise.reject(new Error('The counters do not answer'))
  const counters = () => ({ add: broken, takeBack: broken })
  const { get, log } = await start({ settings: { rateLimitRequests: 1 }, counters })
  for (let n = 0; n < 3; n++) expect((await get('/toys/1')).status).toBe(200)
  expect(log()).toContain('requests are not counted')
})

it('who is beyond the limit is refused without being counted any more', async () => {
  const { add, takeBack } = inProcessCounters()('one', 900)
  let counted = 0
  const counters = () => ({ add: (key: string) => (counted++, add(key)), takeBack })
  const { get } = await start({ settings: { rateLimitRequests: 2 }, counters })
  for (let n = 0; n < 2; n++) expect((await get('/toys/1')).status).toBe(200)
  for (let n = 0; n < 10; n++) expect((await get('/toys/1')).status).toBe(429)
  expect(counted).toBe(3)
})
