import { LRUCache } from 'lru-cache'
import { Agent, type Dispatcher } from 'undici'
import type { Post, PostOptions, PostResult } from '../../ports/post.ts'
import type { AddressGuard } from './address-guard.ts'
import { closedEarly, reasonOf } from './reasons.ts'

const ANSWER_MAX_BYTES = 64 * 1024
const EXCERPT_MAX_BYTES = 1024
const KNOWN_URLS_MAX = 1000

/** Retry-After is a number of seconds or an HTTP date (RFC 9110, 10.2.3). */
const secondsOf = (retryAfter: string | string[] | undefined): number | undefined => {
  if (typeof retryAfter !== 'string') return undefined
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter)
  const at = retryAfter.endsWith(' GMT') ? Date.parse(retryAfter) : NaN
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - Date.now()) / 1000))
}

/** NUL is left out, which PostgreSQL text cannot hold; so is a character cut in two at the end of an excerpt. */
const readable = (bytes: Buffer, isExcerpt: boolean) =>
  new TextDecoder().decode(bytes, { stream: isExcerpt }).replaceAll('\0', '')

type Head = { readonly status: number; readonly retryAfterSeconds?: number }
const headOf = (status: number, retryAfterSeconds: number | undefined): Head =>
  retryAfterSeconds === undefined ? { status } : { status, retryAfterSeconds }
const isSuccess = ({ status }: Head) => status >= 200 && status <= 299

/**
 * One request, as undici tells of it. `settle` is called once: when the answer is read, has failed, or time is over.
 * `released` is called when undici has let go of the request, which can be later. As soon as there is a status it is
 * the result, however the body ends: a receiver that answered 200 and then stalls has the delivery. Unless the body is
 * wanted: then it has to be there.
 */
const exchange = (
  { timeoutMs, wantsBody = false }: PostOptions & { readonly timeoutMs: number },
  settle: (result: PostResult) => void,
  released: () => void,
) => {
  const startedAt = performance.now()
  let over = false
  let controller: Dispatcher.DispatchController | undefined
  let head: Head | undefined
  const parts: Buffer[] = []
  let keptBytes = 0
  const bytesMax = (of: Head) => (isSuccess(of) ? (wantsBody ? ANSWER_MAX_BYTES : 0) : EXCERPT_MAX_BYTES)

  /** `failure`: why it is over, if the answer did not come to its end. */
  const finish = (failure?: string) => {
    if (over) return
    over = true
    clearTimeout(timer)
    const durationMs = Math.round(performance.now() - startedAt)
    const needsBody = head !== undefined && isSuccess(head) && wantsBody
    if (!head || (needsBody && failure !== undefined))
      return settle({ kind: 'failure', reason: failure ?? closedEarly, durationMs })
    const text = readable(Buffer.concat(parts), !needsBody)
    if (needsBody) return settle({ kind: 'answer', ...head, body: text, durationMs })
    settle({ kind: 'answer', ...head, ...(text && { excerpt: text }), durationMs })
  }
  const abort = () => controller?.abort(new Error('time is over'))
  const timer = setTimeout(() => {
    const seconds = timeoutMs / 1000
    finish(controller ? `timed out after ${seconds} s` : `no connection within ${seconds} s`)
    abort()
  }, timeoutMs)

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: (started) => {
      controller = started
      if (over) abort()
    },
    onResponseStart: (_, status, headers) => {
      const informational = status < 200
      if (!informational) head = headOf(status, secondsOf(headers['retry-after']))
    },
    onResponseData: (_, chunk) => {
      const room = head ? bytesMax(head) - keptBytes : 0
      if (room <= 0) return
      const part = chunk.subarray(0, room)
      parts.push(part)
      keptBytes += part.length
    },
    onResponseEnd: () => {
      finish()
      released()
    },
    onResponseError: (_, error) => {
      finish(reasonOf(error))
      released()
    },
  }
  return { handler, isOver: () => over }
}

/**
 * Lets at most `limit` go at a time per origin. undici has such a queue of its own, but what waits in it cannot be
 * taken out again and would cost a dead receiver a connection attempt each.
 */
const turnsPerOrigin = (limit: number) => {
  const lines = new Map<string, { running: number; waiting: (() => void)[] }>()
  return {
    take: (origin: string, start: () => void) => {
      const line = lines.get(origin) ?? { running: 0, waiting: [] }
      lines.set(origin, line)
      if (line.running === limit) return void line.waiting.push(start)
      line.running += 1
      start()
    },
    end: (origin: string) => {
      const line = lines.get(origin)
      if (!line) return
      const next = line.waiting.shift()
      // Not at once: undici is still putting the connection of the ended request in order.
      if (next) return queueMicrotask(next)
      line.running -= 1
      if (line.running === 0) lines.delete(origin)
    },
  }
}

type Target = { readonly refusal: string } | { readonly origin: string; readonly path: string }

const targetOf = (guard: AddressGuard, url: string): Target => {
  const refusal = guard.checkUrl(url)
  if (refusal) return { refusal }
  const { origin, pathname, search } = new URL(url)
  return { origin, path: pathname + search }
}

/**
 * The HTTP client for URLs that users give. `timeoutMs` bounds a post as a whole, unless it comes with a time of its
 * own: waiting for a connection, connecting, headers and body. `close` lets running posts end, `abandon`
 * does not; stop posting before.
 */
export const guardedPost = (options: {
  guard: AddressGuard
  timeoutMs: number
  connectionsPerOrigin: number
}): { post: Post; close(): Promise<void>; abandon(): Promise<void> } => {
  const { guard, timeoutMs, connectionsPerOrigin } = options
  const turns = turnsPerOrigin(connectionsPerOrigin)
  // URLs are few and posts many; reading the URL each time would cost a tenth of all posts per second.
  const targets = new LRUCache<string, Target>({
    max: KNOWN_URLS_MAX,
    memoMethod: (url) => targetOf(guard, url),
  })
  const agent = new Agent({
    connect: guard.connector(timeoutMs),
    connections: connectionsPerOrigin,
    maxResponseSize: ANSWER_MAX_BYTES,
    // undici's limits start over with every chunk and tick once a second; the timer of the exchange bounds the whole.
    headersTimeout: 0,
    bodyTimeout: 0,
  })

  const post: Post = (url, headers, body, postOptions) =>
    new Promise((resolve) => {
      const target = targets.memo(url)
      if ('refusal' in target) return resolve({ kind: 'failure', reason: target.refusal, durationMs: 0 })
      const { origin, path } = target
      const { handler, isOver } = exchange({ timeoutMs, ...postOptions }, resolve, () => turns.end(origin))
      turns.take(origin, () => {
        if (isOver()) return turns.end(origin)
        agent.dispatch({ origin, path, method: 'POST', headers, body }, handler)
      })
    })

  return { post, close: () => agent.close(), abandon: () => agent.destroy() }
}
