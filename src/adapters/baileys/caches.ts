import { LRUCache } from 'lru-cache'
import type { SocketConfig } from '@whiskeysockets/baileys'

const RETRIES_MAX = 5000
const RETRY_TTL_MS = 3_600_000
const DEVICES_MAX = 5000
const DEVICES_TTL_MS = 300_000

type Cache = NonNullable<SocketConfig['userDevicesCache'] & SocketConfig['msgRetryCounterCache']>

/** As many entries, whose memory is taken as they come: `max` takes that of all of them at once, for every session. */
export const atMost = (count: number) => ({ maxSize: count, sizeCalculation: () => 1 })

/** What the sockets of one session know, one after the other. */
export const createCaches = () => ({
  /** How often a message was asked for again: a loop of that has to end also across connections. */
  msgRetryCounterCache: cache(RETRIES_MAX, RETRY_TTL_MS),
  userDevicesCache: cache(DEVICES_MAX, DEVICES_TTL_MS),
})

const cache = (count: number, ttl: number): Cache => {
  const known = new LRUCache<string, NonNullable<unknown>>({ ...atMost(count), ttl })
  return {
    // Whoever reads a key is who wrote it. The library's type wants the parameter.
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
    get: <T>(key: string) => known.get(key) as T | undefined,
    set: (key, value) => {
      known.set(key, value ?? undefined)
    },
    del: (key) => {
      known.delete(key)
    },
    flushAll: () => known.clear(),
  }
}
