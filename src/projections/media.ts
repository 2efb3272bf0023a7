import type { Kysely } from 'kysely'
import { idOfStream } from '../domain/decider.ts'
import type { MediaType } from '../domain/media-rules.ts'
import type { Database } from './database.ts'
import { projection, put, remove } from './projection.ts'

export type MediaRow = {
  id: string
  tenant_id: string
  instance_id: string | null
  conversation_id: string | null
  message_id: string | null
  type: MediaType
  mime_type: string
  /** Bytes. */
  size: number
  filename: string | null
  sha256: string
  key: string
  created_at: string
  expires_at: string | null
}

/** The files that are there. */
export const media = projection<MediaRow>({
  name: 'media',
  version: 3,
  key: 'id',
  columns: {
    id: 'uuid',
    tenant_id: 'uuid not null',
    instance_id: 'uuid',
    conversation_id: 'uuid',
    message_id: 'uuid',
    type: 'text not null',
    mime_type: 'text not null',
    size: 'bigint not null',
    filename: 'text',
    sha256: 'text not null',
    key: 'text not null',
    created_at: 'timestamptz not null',
    expires_at: 'timestamptz',
  },
  indexes: ['(key)', '(conversation_id, id)', '(message_id)', '(expires_at) where expires_at is not null'],
  on: {
    MediaStored: ({ stream, data, meta }) => {
      const id = idOfStream(stream)
      return [
        put<MediaRow>(id, {
          id,
          tenant_id: meta.tenant,
          instance_id: data.instanceId ?? null,
          conversation_id: data.conversationId ?? null,
          message_id: data.messageId ?? null,
          type: data.type,
          mime_type: data.mimeType,
          size: data.size,
          filename: data.filename ?? null,
          sha256: data.sha256,
          key: data.key,
          created_at: data.at,
          expires_at: data.expiresAt ?? null,
        }),
      ]
    },
    // Not swept with its conversation: the rows say which files have to be deleted then.
    MediaDeleted: ({ stream }) => [remove<MediaRow>(idOfStream(stream))],
  },
  sweeps: {
    ConversationMerged: ({ stream, data }) => ({
      column: 'conversation_id',
      value: idOfStream(stream),
      to: data.into,
    }),
  },
})

export const mediaByKey = (db: Kysely<Database>, key: string) =>
  db.selectFrom('media').selectAll().where('key', '=', key).executeTakeFirst()

/** Some files whose time was over at `now`, the oldest first. */
export const expiredMedia = (db: Kysely<Database>, now: string, limit: number) =>
  db
    .selectFrom('media')
    .select(['id', 'tenant_id'])
    .where('expires_at', '<=', now)
    .orderBy('expires_at')
    .limit(limit)
    .execute()

/** The file of a message, if it has one of its own; an upload that was sent belongs to nobody. */
export const mediaOfMessage = (db: Kysely<Database>, messageId: string) =>
  db.selectFrom('media').select(['id', 'tenant_id']).where('message_id', '=', messageId).execute()

/** Some files of a conversation, by id, from after one. */
export const mediaOfConversation = (
  db: Kysely<Database>,
  conversationId: string,
  { after, limit }: { after: string | undefined; limit: number },
) => {
  const query = db
    .selectFrom('media')
    .select(['id', 'tenant_id'])
    .where('conversation_id', '=', conversationId)
  return (after === undefined ? query : query.where('id', '>', after)).orderBy('id').limit(limit).execute()
}
