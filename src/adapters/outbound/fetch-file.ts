import { basename } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { Agent, type Dispatcher } from 'undici'
import { FileUnavailable, type FetchFile } from '../../ports/fetch-file.ts'
import type { AddressGuard } from './address-guard.ts'
import { closedEarly, reasonOf } from './reasons.ts'

const REDIRECTS_MAX = 3
const redirects: readonly number[] = [301, 302, 303, 307, 308]
const CONNECTIONS_PER_ORIGIN = 8
const brokenOff = 'connection closed before the end of the file'

export type FetchTimeouts = {
  readonly connectMs: number
  /** From the request to the beginning of the answer. */
  readonly answerMs: number
  /** Between two parts of the body. */
  readonly stallMs: number
  /** Redirects, answer and body together. */
  readonly totalMs: number
}
const usual: FetchTimeouts = { connectMs: 5000, answerMs: 10_000, stallMs: 15_000, totalMs: 120_000 }

/** Gets files at URLs that users give, each address on the way checked by the guard. */
export const guardedFetch = (
  guard: AddressGuard,
  timeouts: FetchTimeouts = usual,
): { fetchFile: FetchFile; close(): Promise<void> } => {
  const agent = new Agent({
    connect: guard.connector(timeouts.connectMs),
    connections: CONNECTIONS_PER_ORIGIN,
    headersTimeout: timeouts.answerMs,
    bodyTimeout: timeouts.stallMs,
  })

  const get = async (url: URL, signal: AbortSignal): Promise<Dispatcher.ResponseData> => {
    const refused = guard.checkUrl(url.href)
    if (refused !== undefined) throw new FileUnavailable(refused)
    const { origin, pathname, search } = url
    const headers = { 'user-agent': 'Zapini-Media/1.0', accept: '*/*', 'accept-encoding': 'identity' }
    return agent.request({ origin, path: pathname + search, method: 'GET', headers, signal })
  }

  const follow = async (from: string, signal: AbortSignal) => {
    let url = from
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      if (!URL.canParse(url)) throw new FileUnavailable('not a valid URL')
      const answer = await get(new URL(url), signal)
      const location = textOf(answer.headers['location'])
      if (!redirects.includes(answer.statusCode) || location === undefined) return { url, answer }
      discard(answer.body)
      if (!URL.canParse(location, url)) throw new FileUnavailable('redirected to no valid URL')
      url = new URL(location, url).href
    }
    throw new FileUnavailable(`redirected more than ${REDIRECTS_MAX} times`)
  }

  const fetchFile: FetchFile = async (from) => {
    const signal = AbortSignal.timeout(timeouts.totalMs)
    const { url, answer } = await follow(from, signal).catch((error: unknown) => {
      throw unavailable(error)
    })
    const { statusCode, headers, body } = answer
    const encoding = textOf(headers['content-encoding']) ?? 'identity'
    if (statusCode !== 200 || encoding !== 'identity') {
      discard(body)
      throw new FileUnavailable(statusCode === 200 ? 'answered compressed' : `answered ${statusCode}`)
    }
    const length = textOf(headers['content-length'])
    const mimeType = textOf(headers['content-type'])
    const filename = dispositionName(textOf(headers['content-disposition'])) ?? pathName(url)
    return {
      body: inOurWords(body),
      ...(length !== undefined && { size: Number(length) }),
      ...(mimeType !== undefined && { mimeType }),
      ...(filename !== undefined && { filename }),
    }
  }

  return { fetchFile, close: () => agent.destroy() }
}

const unavailable = (error: unknown) => {
  if (error instanceof FileUnavailable) return error
  if (!(error instanceof Error)) return new FileUnavailable('request failed')
  const isLate = error.name === 'TimeoutError'
  return new FileUnavailable(isLate ? 'took too long' : reasonOf(error), { cause: error })
}

/** The same bytes; what goes wrong on the way is told as FileUnavailable. */
const inOurWords = (body: Readable): Readable => {
  const told = new PassThrough()
  body.on('error', (error) => {
    const { message } = unavailable(error)
    told.destroy(new FileUnavailable(message === closedEarly ? brokenOff : message, { cause: error }))
  })
  told.on('close', () => body.destroy())
  // It may fail before anybody reads it; without a listener, that would end the process.
  told.on('error', () => undefined)
  return body.pipe(told)
}

const discard = (body: Readable) => body.on('error', () => undefined).destroy()

const textOf = (header: string | string[] | undefined) => (Array.isArray(header) ? header[0] : header)

/** RFC 6266: `filename*=UTF-8''…` before `filename="…"`. */
const dispositionName = (disposition = ''): string | undefined => {
  const encoded = /filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(disposition)?.[1]
  const plain = /filename\s*=\s*(?:"([^"]*)"|([^;\s]+))/i.exec(disposition)
  return (encoded === undefined ? undefined : decoded(encoded)) ?? plain?.[1] ?? plain?.[2]
}

const pathName = (url: string) => decoded(basename(new URL(url).pathname)) || undefined

const decoded = (text: string) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
