import { Type, type Static } from 'typebox'
import type { Picture } from '../domain/conversation.ts'
import { mediaTypes } from '../domain/media-rules.ts'
import { fileUrl, type StoredMedia } from '../domain/media.ts'
import { isUuid, literals } from '../domain/values.ts'
import type { MediaRow } from '../projections/media.ts'
import type { KeptMedia } from '../write/media.ts'
import { isoSeconds, Nullable } from './format.ts'
import type { RouteRequest } from './route.ts'

const HYPHENS_AFTER = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/
const apiId = /^media_([0-9a-f]{32})$/i

/** The id as clients see it: `media_` and the UUID without hyphens. */
const apiMediaId = (id: string) => `media_${id.replaceAll('-', '')}`

/** The UUID that a client means by either form of the id. */
export const mediaIdOf = (ref: string): string | undefined => {
  const hex = apiId.exec(ref)?.[1]
  if (hex !== undefined) return hex.toLowerCase().replace(HYPHENS_AFTER, '$1-$2-$3-$4-$5')
  return isUuid(ref) ? ref.toLowerCase() : undefined
}

/** The address of a file, as whoever asks can reach it. */
export const mediaUrl = (
  file: Pick<StoredMedia, 'key' | 'mimeType'>,
  request: RouteRequest,
  publicUrl: string | undefined,
) => fileUrl(publicUrl ?? request.origin(), file)

/** Where the picture of a person or group can be read, if there is one. */
export type PictureUrl = (picture: Picture | null | undefined) => string | null
export const pictureUrls =
  (request: RouteRequest, publicUrl: string | undefined): PictureUrl =>
  (picture) =>
    picture ? mediaUrl(picture, request, publicUrl) : null

export const mediaOfRow = (row: MediaRow): KeptMedia => ({
  id: row.id,
  file: {
    type: row.type,
    mimeType: row.mime_type,
    size: row.size,
    ...(row.filename !== null && { filename: row.filename }),
    sha256: row.sha256,
    key: row.key,
    ...(row.expires_at !== null && { expiresAt: row.expires_at }),
    at: row.created_at,
  },
})

export const MediaView = Type.Object({
  id: Type.String({ description: 'For media_id, and for the calls on this file' }),
  url: Type.String({ description: 'Open to anybody who knows it' }),
  type: literals(mediaTypes),
  mime_type: Type.String({ description: 'By the content of the file' }),
  size: Type.Integer({ description: 'Bytes' }),
  filename: Nullable,
  created_at: Type.String(),
  expires_at: Type.Union([Type.String(), Type.Null()], { description: 'null: stays with its message' }),
})

export const mediaView = (
  { id, file }: KeptMedia,
  request: RouteRequest,
  publicUrl: string | undefined,
): Static<typeof MediaView> => ({
  id: apiMediaId(id),
  url: mediaUrl(file, request, publicUrl),
  type: file.type,
  mime_type: file.mimeType,
  size: file.size,
  filename: file.filename ?? null,
  created_at: isoSeconds(file.at),
  expires_at: file.expiresAt === undefined ? null : isoSeconds(file.expiresAt),
})
