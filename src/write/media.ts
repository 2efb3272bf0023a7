import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { invalid, notFound, Refusal } from '../domain/errors.ts'
import type { MediaMessage } from '../domain/content.ts'
import { messageMediaId, newId } from '../domain/ids.ts'
import {
  largestOf,
  mustFit,
  tooLarge,
  type Format,
  type MediaRules,
  type MediaType,
} from '../domain/media-rules.ts'
import { Media, store as storeDecision, type StoredMedia } from '../domain/media.ts'
import type { Context } from '../domain/metadata.ts'
import { FileUnavailable, type FetchFile } from '../ports/fetch-file.ts'
import type { MediaStore } from '../ports/media-store.ts'
import { sniff } from './sniff.ts'
import { createSpool, type Spooled } from './spool.ts'
import type { Load, Transact } from './transact.ts'

/** 192 bits. */
const KEY_BYTES = 24
const NAME_MAX = 255
const UNKNOWN = 'application/octet-stream'
const isMimeType = /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly store: MediaStore
  readonly fetchFile: FetchFile
  /** Where files are until they are complete. */
  readonly spoolFolder: string
  readonly rules: MediaRules
}

/** What a file shall be. */
export type Wanted = {
  /** As its content says, if left out. */
  readonly type?: MediaType | undefined
  readonly filename?: string | undefined
  /** It came from WhatsApp: taken whatever it is. `mimeType` is what WhatsApp calls it. */
  readonly foreign?: { readonly mimeType: string | null }
}

/** Whose it is, and how long. */
export type Place = Pick<StoredMedia, 'instanceId' | 'conversationId' | 'messageId' | 'expiresAt'> & {
  /** One that is always the same for the same file, so that it is kept once; a new one if left out. */
  readonly id?: string
}

/** What the content of a message says of its file. */
export type AttachedFile = Pick<MediaMessage, 'url' | 'mediaId' | 'mimeType' | 'size' | 'filename'>

export type KeptMedia = { readonly id: string; readonly file: StoredMedia }

/** The one way files get in: here, checked, into the store; then the log tells of them. */
export const createMedia = ({ transact, load, store, fetchFile, spoolFolder, rules }: Parts) => {
  const spoolTo = createSpool(spoolFolder)

  const limitOf = ({ type, foreign }: Wanted) =>
    type === undefined || foreign ? largestOf(rules) : rules[type].maxBytes

  /** Takes a file down, no more of it than one of its type may have. `size` is what was announced. */
  const spool = async (body: Readable, wanted: Wanted, size = 0): Promise<Spooled> => {
    const maxBytes = limitOf(wanted)
    const exceeded = () => tooLarge(rules, wanted.foreign ? undefined : wanted.type)
    if (size <= maxBytes) return spoolTo(body, maxBytes, exceeded)
    body.destroy()
    throw exceeded()
  }

  const formatOf = async ({ path, size }: Spooled, { type, filename, foreign }: Wanted): Promise<Format> => {
    const { format, mimeType } = await sniff(rules, path, filename)
    // Without parameters such as `; codecs=opus`.
    const [told = ''] = foreign?.mimeType?.split(';', 1) ?? []
    if (foreign)
      return { type: type ?? 'document', mimeType: mimeType ?? (isMimeType.test(told) ? told : UNKNOWN) }
    return mustFit(rules, { format, found: mimeType ?? 'of no known format', size }, type)
  }

  /** Keeps what was taken down, if it is what it shall be. The temporary file is gone afterwards. */
  const keep = async (
    spooled: Spooled,
    wanted: Wanted,
    { id = newId(), ...place }: Place,
    context: Context,
  ): Promise<KeptMedia> => {
    try {
      if (spooled.size === 0) throw invalid('file', 'must not be empty')
      const format = await formatOf(spooled, wanted)
      const filename = cleanName(wanted.filename)
      const { size, sha256, path } = spooled
      await store.put(id, createReadStream(path), size)
      const file = {
        ...format,
        size,
        ...(filename !== undefined && { filename }),
        sha256,
        key: randomBytes(KEY_BYTES).toString('base64url'),
        ...place,
        at: new Date().toISOString(),
      }
      const { state } = await transact(Media, id, storeDecision(file), context, { expectNew: true })
      if (state.file) return { id, file: state.file }
      await store.delete(id)
      throw notFound('Media')
    } finally {
      await spooled.discard()
    }
  }

  const fetchAndKeep = async (url: string, wanted: Wanted, place: Place, context: Context) => {
    try {
      const { body, size, filename } = await fetchFile(url)
      const named = { ...wanted, filename: wanted.filename ?? filename }
      const spooled = await spool(body, named, size)
      if (spooled.size > 0) return await keep(spooled, named, place, context)
      await spooled.discard()
      throw unavailable('it is empty')
    } catch (error) {
      if (error instanceof FileUnavailable) throw unavailable(error.message)
      throw error
    }
  }

  /** What became of a file: undefined if there never was one of this id. */
  const find = async (id: string): Promise<KeptMedia | 'deleted' | undefined> => {
    const { file, deleted } = (await load(Media, id)).state
    if (deleted) return 'deleted'
    return file && { id, file }
  }

  /** Fetches under way, by the id of the file: whoever wants the same one waits for it. */
  const underWay = new Map<string, Promise<KeptMedia>>()

  const fetchOnce = async (url: string, wanted: Wanted, place: Place & { id: string }, context: Context) => {
    const known = await find(place.id)
    if (known === 'deleted') throw notFound('Media')
    return known ?? fetchAndKeep(url, wanted, place, context)
  }

  /** Fetches a file from a URL that a user gave; under a given id only once. Throws MEDIA_UNAVAILABLE. */
  const fetch = async (url: string, wanted: Wanted, place: Place, context: Context): Promise<KeptMedia> => {
    const { id } = place
    if (id === undefined) return fetchAndKeep(url, wanted, place, context)
    const fetching =
      underWay.get(id) ?? fetchOnce(url, wanted, { ...place, id }, context).finally(() => underWay.delete(id))
    underWay.set(id, fetching)
    return fetching
  }

  /** The file at a URL becomes that of a message which is about to be sent. Answers what its content says of it. */
  const attach = async (
    url: string,
    wanted: Wanted,
    message: { readonly id: string; readonly instanceId: string; readonly conversationId: string },
    context: Context,
  ): Promise<AttachedFile> => {
    const { id: messageId, instanceId, conversationId } = message
    const place = { id: messageMediaId(messageId, url), instanceId, conversationId, messageId }
    const { id: mediaId, file } = await fetch(url, wanted, place, context)
    const { mimeType, size, filename } = file
    return { url, mediaId, mimeType, size, ...(filename !== undefined && { filename }) }
  }

  return { rules, spool, keep, find, fetch, attach }
}
export type MediaKeeper = ReturnType<typeof createMedia>

const unavailable = (reason: string) =>
  new Refusal('MEDIA_UNAVAILABLE', `The file could not be fetched: ${reason}.`, { reason })

/** A name without folders, and without characters that do not belong into one. */
const cleanName = (name: string | undefined): string | undefined =>
  name
    ?.split(/[/\\]/)
    .at(-1)
    ?.replace(/\p{Cc}/gu, '')
    .slice(0, NAME_MAX)
    .replace(/\p{Surrogate}/gu, '\uFFFD')
    .trim() || undefined
