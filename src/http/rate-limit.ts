import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'
import { Refusal } from '../domain/errors.ts'
import type { Counter, Counters } from '../ports/counters.ts'
import type { Caller } from './route.ts'

export type RateLimitSettings = {
  readonly rateLimitRequests: number
  readonly rateLimitWindowSeconds: number
}

/** Where one key stands in its window. */
export type Standing = {
  readonly limit: number
  readonly remaining: number
  /** Unix seconds at which the window ends. */
  readonly resetsAt: number
  readonly retryAfterSeconds: number
  readonly exceeded: boolean
}

const FAILURE_WINDOW_SECONDS = 900
const LOGIN_FAILURES_PER_IP = 20
const LOGIN_FAILURES_PER_EMAIL = 10
const AUTHENTICATION_FAILURES_PER_IP = 100
const EXHAUSTED_MAX = 10_000

/** `endsAt`: by the clock of this process, which never jumps. */
type Beyond = { readonly count: number; readonly endsAt: number }

type Options = {
  readonly settings: RateLimitSettings
  readonly counters: Counters
  /** Where nothing can be counted, nothing is limited, and this hears of it. */
  readonly onError: (error: unknown) => void
}

export const createRateLimits = ({ settings, counters, onError }: Options) => {
  const counter = (name: string, windowSeconds: number) => limiter(counters(name, windowSeconds), onError)
  const standard = counter('requests', settings.rateLimitWindowSeconds)
  const logins = counter('logins', FAILURE_WINDOW_SECONDS)
  const failures = counter('failures', FAILURE_WINDOW_SECONDS)
  const limitOf = (caller: Caller | undefined) => caller?.requestsPerWindow ?? settings.rateLimitRequests
  const keyOf = (caller: Caller | undefined, ip: string) => caller?.tokenId ?? addressKey(ip)
  return {
    /** Counts a request of a token, or of an address where there is no token; undefined where nothing is limited. */
    async request(caller: Caller | undefined, ip: string): Promise<Standing | undefined> {
      const limit = limitOf(caller)
      return limit === 0 ? undefined : standard.spend(keyOf(caller, ip), limit)
    },
    /** A request that was counted counts elsewhere. */
    takeBack(caller: Caller | undefined, ip: string): void {
      if (limitOf(caller) > 0) standard.giveBack(keyOf(caller, ip))
    },
    /** Counts an attempt to log in, by address and by address and account; answers how to take it back on success. */
    async login(ip: string, email: string): Promise<() => void> {
      const address = addressKey(ip)
      const account = `${address} ${email.trim().toLowerCase()}`
      refuseIfExceeded(await logins.spend(address, LOGIN_FAILURES_PER_IP))
      refuseIfExceeded(await logins.spend(account, LOGIN_FAILURES_PER_EMAIL))
      return () => {
        logins.giveBack(address)
        logins.giveBack(account)
      }
    },
    /**
     * Counts a failed authentication. Only failures are refused beyond the limit: a valid token keeps working behind an
     * address that others share.
     */
    async failedAuthentication(ip: string): Promise<void> {
      refuseIfExceeded(await failures.spend(addressKey(ip), AUTHENTICATION_FAILURES_PER_IP))
    },
  }
}
export type RateLimits = ReturnType<typeof createRateLimits>

export const rateLimitHeaders = ({ limit, remaining, resetsAt }: Standing) => ({
  'X-RateLimit-Limit': String(limit),
  'X-RateLimit-Remaining': String(remaining),
  'X-RateLimit-Reset': String(resetsAt),
})

/** Throws RATE_LIMITED; `retry_after` in its details becomes the Retry-After header. */
export const refuseIfExceeded = (standing: Standing | undefined): void => {
  if (!standing?.exceeded) return
  const { retryAfterSeconds } = standing
  throw new Refusal('RATE_LIMITED', `Too many requests. Try again in ${retryAfterSeconds} seconds.`, {
    retry_after: retryAfterSeconds,
  })
}

const limiter = ({ add, takeBack }: Counter, onError: (error: unknown) => void) => {
  /** Keys beyond their limit: until their window ends they are refused without being counted. */
  const exhausted = new LRUCache<string, Beyond>({ max: EXHAUSTED_MAX })

  const standingOf = (limit: number, count: number, msToReset: number): Standing => ({
    limit,
    remaining: Math.max(0, limit - count),
    resetsAt: Math.ceil((Date.now() + msToReset) / 1000),
    retryAfterSeconds: Math.max(1, Math.ceil(msToReset / 1000)),
    exceeded: count > limit,
  })

  return {
    async spend(key: string, limit: number): Promise<Standing | undefined> {
      const known = exhausted.get(key)
      const msLeft = known ? known.endsAt - performance.now() : 0
      if (known && msLeft > 0 && known.count > limit) return standingOf(limit, known.count, msLeft)
      const counted = await add(key).catch(onError)
      if (!counted) return undefined
      const { count, msToReset } = counted
      if (count > limit) exhausted.set(key, { count, endsAt: performance.now() + msToReset })
      return standingOf(limit, count, msToReset)
    },
    giveBack(key: string): void {
      exhausted.delete(key)
      takeBack(key).catch(onError)
    },
  }
}

const IPV6_NETWORK_BYTES = 8

/** An IPv6 customer has a /64 to move in, so it counts as one address. */
const addressKey = (ip: string): string => {
  if (!ipaddr.isValid(ip)) return ip
  const address = ipaddr.process(ip)
  return address.kind() === 'ipv4'
    ? address.toString()
    : Buffer.from(address.toByteArray().slice(0, IPV6_NETWORK_BYTES)).toString('hex')
}
