import { Readable } from 'node:stream'
import { notFound, Refusal } from '../domain/errors.ts'
import { formatOf, extensionOf, mediaRules } from '../domain/media-rules.ts'
import type { ByteRange, MediaStore } from '../ports/media-store.ts'
import type { KeptMedia } from '../write/media.ts'
import { noBody } from './body.ts'
import { rawBytes, reply, streamed, type RouteRequest } from './route.ts'

const BYTES = 'application/octet-stream'

/** The answers of a route that sends a file. */
export const fileResponses = {
  200: streamed(BYTES, 'The file, under its own Content-Type'),
  206: streamed(BYTES, 'The range that was asked for'),
  304: rawBytes(BYTES, 'What the client has is still right'),
}

/**
 * Sends a file from the store, or the part of it that is asked for. Browsers show images, video and audio of known
 * formats; everything else is for saving, so that nothing that could hold a script is ever shown.
 */
export const sendFile = async (store: MediaStore, { id, file }: KeptMedia, request: RouteRequest) => {
  const etag = `"${file.sha256}"`
  const format = formatOf(mediaRules, extensionOf(mediaRules, file.mimeType) ?? '')
  const isShown = format !== undefined && format.type !== 'document'
  const headers = {
    'Content-Type': format?.mimeType ?? BYTES,
    'Content-Disposition': disposition(isShown ? 'inline' : 'attachment', file.filename),
    'Accept-Ranges': 'bytes',
    ETag: etag,
    // A file can be deleted at any time, so it is asked for again.
    'Cache-Control': 'private, no-cache',
  }
  if (request.header('if-none-match')?.includes(etag)) return reply(304, noBody, headers)
  const range = rangeOf(request, file.size, etag)
  const { start, end } = range ?? { start: 0, end: file.size - 1 }
  const content = await contentOf(store, id, range, request)
  const all = { ...headers, 'Content-Length': String(end - start + 1) }
  return range
    ? reply(206, content, { ...all, 'Content-Range': `bytes ${start}-${end}/${file.size}` })
    : reply(200, content, all)
}

const contentOf = async (
  store: MediaStore,
  id: string,
  range: ByteRange | undefined,
  { incoming }: RouteRequest,
): Promise<Readable> => {
  if (incoming.method === 'HEAD') return Readable.from([])
  const content = await store.open(id, range)
  if (!content) throw notFound('Media')
  return content
}

/** RFC 9110, 14: one range of bytes; anything else that it does not understand is as good as no range. */
const rangeOf = (request: RouteRequest, size: number, etag: string): ByteRange | undefined => {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(request.header('range') ?? '') ?? []
  const condition = request.header('if-range')
  if (first === undefined || last === undefined || (condition !== undefined && condition !== etag))
    return undefined
  if (first === '' && last === '') return undefined
  const isSuffix = first === ''
  const start = isSuffix ? Math.max(0, size - Number(last)) : Number(first)
  const end = isSuffix || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (!isSuffix && last !== '' && Number(last) < start) return undefined
  if (start > end)
    throw new Refusal('RANGE_NOT_SATISFIABLE', `The file has ${size} bytes; the range lies outside.`, {
      size,
    })
  return { start, end }
}

/** RFC 6266, with a name that every client can read beside the true one. */
const disposition = (way: 'inline' | 'attachment', name: string | undefined) => {
  if (name === undefined) return way
  const plain = name.replace(/[^ -~]|["\\%]/g, '_')
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`)
  return `${way}; filename="${plain}"; filename*=UTF-8''${encoded}`
}
