import ipaddr from 'ipaddr.js'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { Refusal } from '../domain/errors.ts'
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

/** Counters in this process's memory: with several nodes, each counts for itself. */
export const createRateLimits = (settings: RateLimitSettings) => {
  const standard = counter(settings.rateLimitWindowSeconds)
  const logins = counter(FAILURE_WINDOW_SECONDS)
  const failures = counter(FAILURE_WINDOW_SECONDS)
  const limitOf = (caller: Caller | undefined) => caller?.requestsPerWindow ?? settings.rateLimitRequests
  const keyOf = (caller: Caller | undefined, ip: string) => caller?.tokenId ?? addressKey(ip)
  return {
    /** Counts a request of a token, or of an address where there is no token; undefined where nothing is limited. */
    request(caller: Caller | undefined, ip: string): Promise<Standing> | undefined {
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
export const refuseIfExceeded = ({ exceeded, retryAfterSeconds }: Standing): void => {
  if (!exceeded) return
  throw new Refusal('RATE_LIMITED', `Too many requests. Try again in ${retryAfterSeconds} seconds.`, {
    retry_after: retryAfterSeconds,
  })
}

const counter = (windowSeconds: number) => {
  const limiter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: windowSeconds })
  return {
    // `penalty` counts without a limit of its own, so that one counter serves tokens with different limits.
    async spend(key: string, limit: number): Promise<Standing> {
      const { consumedPoints, msBeforeNext } = await limiter.penalty(key)
      return {
        limit,
        remaining: Math.max(0, limit - consumedPoints),
        resetsAt: Math.ceil((Date.now() + msBeforeNext) / 1000),
        retryAfterSeconds: Math.max(1, Math.ceil(msBeforeNext / 1000)),
        exceeded: consumedPoints > limit,
      }
    },
    giveBack(key: string): void {
      void limiter.reward(key)
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
