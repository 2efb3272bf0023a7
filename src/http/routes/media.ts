import { Type } from 'typebox'
import { invalid, notFound } from '../../domain/errors.ts'
import { messageMediaId } from '../../domain/ids.ts'
import { describeRules, mediaTypes, type MediaType } from '../../domain/media-rules.ts'
import { Media, remove } from '../../domain/media.ts'
import { mediaKinds } from '../../domain/message.ts'
import { literals } from '../../domain/values.ts'
import type { MessageRow } from '../../projections/messages.ts'
import { mediaByKey } from '../../projections/media.ts'
import { daysFromNow } from '../../write/accounts.ts'
import type { KeptMedia } from '../../write/media.ts'
import { contextOf } from '../context.ts'
import { createFinders } from '../finders.ts'
import { Done, done, envelope, ok } from '../format.ts'
import { mediaOfRow, mediaView, MediaView } from '../media-view.ts'
import { reply, route, type Caller, type RouteRequest } from '../route.ts'
import { fileResponses, sendFile } from '../send-file.ts'
import type { Services } from '../services.ts'
import { readUpload } from '../upload.ts'

const tag = 'Media'
const params = Type.Object({ id: Type.String({ description: 'Id of the file, such as media_abc123xyz' }) })

const typeOf = (given: string | undefined): MediaType | undefined => {
  const type = mediaTypes.find((known) => known === given)
  if (given && !type) throw invalid('type', `must be one of: ${mediaTypes.join(', ')}`)
  return type
}

/** Files for sending, and the files of messages. */
export const mediaRoutes = ({ db, transact, load, media, mediaStore, settings }: Services) => {
  const { mediaOf, messageOf } = createFinders(db)
  const show = (kept: KeptMedia, request: RouteRequest) => mediaView(kept, request, settings.publicUrl)

  /** The file of a message. What is still elsewhere is fetched now, once. */
  const fileOf = async (row: MessageRow, caller: Caller, request: RouteRequest): Promise<KeptMedia> => {
    const { id: messageId, media_url: url, instance_id: instanceId, conversation_id: conversationId } = row
    const kind = mediaKinds.find((known) => known === row.kind)
    if (kind === undefined) throw notFound('Media')
    if (row.media_id !== null) {
      const { file } = (await load(Media, row.media_id)).state
      if (!file) throw notFound('Media')
      return { id: row.media_id, file }
    }
    if (url === null) throw notFound('Media')
    const type = kind === 'sticker' ? 'image' : kind
    const foreign = { mimeType: row.mime_type }
    const wanted = { type, foreign, ...(row.filename !== null && { filename: row.filename }) }
    const place = { id: messageMediaId(messageId, url), instanceId, conversationId, messageId }
    return media.fetch(url, wanted, place, contextOf(caller, request))
  }

  return [
    route({
      method: 'POST',
      path: '/media/upload',
      operationId: 'uploadMedia',
      tag,
      summary: 'Upload a file, for sending it later',
      description:
        `What it is goes by its content: ${describeRules(media.rules)}. It is there for ` +
        `${settings.mediaRetentionDays} days.`,
      access: 'media:write',
      limit: 'standard',
      upload: Type.Object({
        file: Type.String({ contentMediaType: 'application/octet-stream', description: 'The file' }),
        type: Type.Optional(literals(mediaTypes, { description: 'Found out if left out' })),
      }),
      successDescription: 'The file is kept.',
      responses: { 201: envelope(MediaView) },
      refusals: ['VALIDATION_FAILED'],
      async handle({ caller, request }) {
        const wantedOf = (type: string | undefined) => ({ type: typeOf(type) })
        const { spooled, wanted } = await readUpload(request.incoming, { wantedOf, spool: media.spool })
        const place = {
          ...(caller.instanceId !== undefined && { instanceId: caller.instanceId }),
          expiresAt: daysFromNow(settings.mediaRetentionDays),
        }
        const kept = await media.keep(spooled, wanted, place, contextOf(caller, request))
        return reply(201, ok(show(kept, request)))
      },
    }),
    route({
      method: 'GET',
      path: '/media/:id',
      operationId: 'getMedia',
      tag,
      summary: 'What is known about a file',
      access: 'media:read',
      limit: 'standard',
      reads: ['media'],
      params,
      successDescription: 'The file; `url` is where its content is.',
      responses: { 200: envelope(MediaView) },
      handle: async ({ caller, params, request }) =>
        reply(200, ok(show(mediaOfRow(await mediaOf(caller, params.id)), request))),
    }),
    route({
      method: 'DELETE',
      path: '/media/:id',
      operationId: 'deleteMedia',
      tag,
      summary: 'Delete a file',
      description: 'Messages that were sent with it stay; their file can then no longer be downloaded.',
      access: 'media:write',
      limit: 'standard',
      reads: ['media'],
      params,
      successDescription: 'It is no longer there.',
      responses: { 200: Done },
      async handle({ caller, params, request }) {
        const { id } = await mediaOf(caller, params.id)
        await transact(Media, id, remove(new Date().toISOString()), contextOf(caller, request))
        return reply(200, done('Media deleted successfully'))
      },
    }),
    route({
      method: 'GET',
      path: '/messages/:id/media',
      operationId: 'downloadMessageMedia',
      tag,
      summary: 'Download the file of a message',
      description: 'With `Range`, a part of it.',
      access: 'media:read',
      limit: 'standard',
      reads: ['messages'],
      params: Type.Object({ id: Type.String({ description: 'UUID, number or WhatsApp id of the message' }) }),
      successDescription: 'The file, under its own Content-Type.',
      responses: fileResponses,
      refusals: ['RANGE_NOT_SATISFIABLE', 'MEDIA_UNAVAILABLE', 'PAYLOAD_TOO_LARGE'],
      async handle({ caller, params, request }) {
        const row = await messageOf(caller, params.id)
        return sendFile(mediaStore, await fileOf(row, caller, request), request)
      },
    }),
    route({
      method: 'GET',
      path: '/files/:key',
      operationId: 'downloadFile',
      tag,
      summary: 'Download a file by its address',
      description: 'The `url` of a file. Whoever knows it can read the file, until it is deleted or expires.',
      access: 'public',
      limit: 'none',
      reads: ['media'],
      params: Type.Object({ key: Type.String({ maxLength: 100 }) }),
      successDescription: 'The file, under its own Content-Type.',
      responses: fileResponses,
      refusals: ['RANGE_NOT_SATISFIABLE'],
      async handle({ params, request }) {
        const row = await mediaByKey(db, params.key.split('.', 1)[0] ?? '')
        if (!row) throw notFound('File')
        return sendFile(mediaStore, mediaOfRow(row), request)
      },
    }),
  ]
}
