import { Type, type Static, type TObject } from 'typebox'
import { isMedia, type Content, type MediaMessage } from '../domain/content.ts'
import { invalid, Refusal } from '../domain/errors.ts'
import { describeRules, mediaRules, mediaTypes, type MediaType } from '../domain/media-rules.ts'
import { literals } from '../domain/values.ts'
import type { AttachedFile } from '../write/media.ts'
import type { PrepareContent } from '../write/send.ts'
import { contextOf } from './context.ts'
import { createFinders } from './finders.ts'
import { mediaIdOf, mediaUrl } from './media-view.ts'
import type { Caller, RouteRequest } from './route.ts'
import type { Services } from './services.ts'

/** What a caller says about the file that it sends: exactly one of `media_url` and `media_id`. */
export const MediaFile = {
  media_url: Type.Optional(
    Type.String({ minLength: 1, maxLength: 2048, description: 'Public URL of the file' }),
  ),
  media_id: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 100,
      description: 'File from `POST /media/upload`; instead of media_url',
    }),
  ),
  media_type: literals(mediaTypes),
  caption: Type.Optional(Type.String({ maxLength: 1024 })),
  filename: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
}
type MediaFields = Static<TObject<typeof MediaFile>> & {
  /** WhatsApp id of the message that it answers. */
  readonly replyTo?: string | undefined
  /** JIDs of who is mentioned in the caption. */
  readonly mentions?: string[] | undefined
}

export const mediaNote =
  'Give `media_url` or `media_id`. A file at a URL is fetched, checked and kept before this answers: ' +
  `${describeRules(mediaRules)}.`

/**
 * Content for a send, from what a caller says. A route that uses it has `reads: ['media']`. The file is fetched, checked
 * and kept before the message is queued; not again for a message that was queued before.
 */
export const createMediaContent = ({ db, media, refusedUrl, settings }: Services) => {
  const { mediaOf } = createFinders(db)

  const uploaded = async (caller: Caller, request: RouteRequest, ref: string, type: MediaType) => {
    const row = await mediaOf(caller, ref).catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error
      throw invalid('media_id', 'is not a file of this account, or is no longer there')
    })
    if (row.type !== type) throw invalid('media_type', `must be ${row.type} for this file`)
    const { id: mediaId, mime_type: mimeType, size, filename, key } = row
    const url = mediaUrl({ key, mimeType }, request, settings.publicUrl)
    return { url, mediaId, mimeType, size, ...(filename !== null && { filename }) }
  }

  return (caller: Caller, request: RouteRequest, instanceId: string, body: MediaFields): PrepareContent => {
    const { media_url: url, media_id: ref, media_type: type } = body
    if (url === undefined && ref === undefined) throw invalid('media_url', 'or media_id is required')
    if (url !== undefined && ref !== undefined)
      throw invalid('media_id', 'and media_url exclude each other: give one of them')
    const refused = url === undefined ? undefined : refusedUrl(url)
    if (refused !== undefined) throw invalid('media_url', refused)

    const fetched = (url: string, message: { id: string; conversationId: string }) => {
      const wanted = { type, filename: body.filename }
      return media.attach(url, wanted, { ...message, instanceId }, contextOf(caller, request))
    }

    return async ({ queued, ...message }) => {
      if (queued) return contentOf(body, isSameFile(queued, url, ref) ? factsOf(queued) : {})
      if (ref !== undefined) return contentOf(body, await uploaded(caller, request, ref, type))
      return contentOf(body, url === undefined ? {} : await fetched(url, message))
    }
  }
}

const isSameFile = (
  queued: Content,
  url: string | undefined,
  ref: string | undefined,
): queued is MediaMessage =>
  isMedia(queued) && (ref === undefined ? queued.url === url : queued.mediaId === mediaIdOf(ref))

const factsOf = ({ url, mediaId, mimeType, size, filename }: MediaMessage): AttachedFile => ({
  ...(url !== undefined && { url }),
  ...(mediaId !== undefined && { mediaId }),
  ...(mimeType !== undefined && { mimeType }),
  ...(size !== undefined && { size }),
  ...(filename !== undefined && { filename }),
})

const contentOf = (
  { media_type: kind, caption, filename, replyTo, mentions }: MediaFields,
  file: AttachedFile,
): Content => ({
  kind,
  ...file,
  ...(filename !== undefined && { filename }),
  ...(caption !== undefined && { caption }),
  ...(replyTo !== undefined && { replyTo }),
  ...(mentions !== undefined && { mentions }),
})
