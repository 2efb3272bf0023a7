import type { Kysely } from 'kysely'
import { upcast } from '../domain/catalogue.ts'
import { idOfStream } from '../domain/decider.ts'
import { discard, Media, type DeletionReason } from '../domain/media.ts'
import { causedBy } from '../domain/metadata.ts'
import type { Position, Recorded } from '../ports/event-store.ts'
import type { MediaStore } from '../ports/media-store.ts'
import type { SealingKeys } from '../ports/sealing-keys.ts'
import type { Database } from '../projections/database.ts'
import { mediaOfConversation, mediaOfMessage } from '../projections/media.ts'
import { isOf, type RecordedOf } from '../projections/projection.ts'
import type { Load, Transact } from '../write/transact.ts'
import type { Reaction } from './runner.ts'

const PAGE = 200
const AT_ONCE = 8

type Options = {
  readonly db: Kysely<Database>
  readonly transact: Transact
  readonly load: Load
  readonly mediaStore: Pick<MediaStore, 'delete'>
  readonly keys: Pick<SealingKeys, 'retire' | 'destroy'>
  /** Resolves once the media read model knows everything up to a position. */
  readonly ready: (position: Position, signal: AbortSignal) => Promise<void>
}

/** Deletes the files of what was deleted, with their names, and takes those of a message or conversation away with it. */
export const removeMedia = ({ db, transact, load, mediaStore, keys, ready }: Options): Reaction => {
  const takeAway = async (
    rows: readonly { readonly id: string; readonly tenant_id: string }[],
    reason: DeletionReason,
    event: Recorded,
  ) => {
    const decide = discard(reason, new Date().toISOString())
    await each(rows, ({ id, tenant_id: tenant }) =>
      transact(Media, id, decide, { ...causedBy(event), tenant }),
    )
  }

  const ofConversation = async (event: RecordedOf<'ConversationDeleted'>, signal: AbortSignal) => {
    await ready(event.position, signal)
    // What was stored later belongs to a conversation that began anew under the same id.
    const isOlder = async ({ id }: { readonly id: string }) =>
      (await load(Media, id)).position < event.position
    const page = (after: string | undefined) =>
      mediaOfConversation(db, idOfStream(event.stream), { after, limit: PAGE })
    for (let rows = await page(undefined); rows.length > 0; rows = await page(rows.at(-1)?.id)) {
      const older = await Promise.all(rows.map(isOlder))
      await takeAway(
        rows.filter((_, n) => older[n]),
        'conversation_deleted',
        event,
      )
    }
  }

  const ofMessage = async (event: RecordedOf<'MessageDeleted'>, signal: AbortSignal) => {
    await ready(event.position, signal)
    await takeAway(await mediaOfMessage(db, idOfStream(event.stream)), 'message_deleted', event)
  }

  return {
    name: 'media-removal',
    handle: async (batch, signal) => {
      for (const event of batch)
        if (isOf(event, 'ConversationDeleted')) await ofConversation(upcast(event), signal)
        else if (isOf(event, 'MessageDeleted')) await ofMessage(upcast(event), signal)
      const deleted = batch.filter((event) => isOf(event, 'MediaDeleted'))
      await each(deleted, ({ stream }) => mediaStore.delete(idOfStream(stream)))
      // What an upload was called is sealed with a key of its own, and nothing is stored of it any more.
      const uploads = deleted.filter((event) => upcast(event).data.conversationId === undefined)
      if (uploads.length > 0)
        await keys.destroy(await keys.retire(uploads.map(({ stream }) => idOfStream(stream))))
    },
  }
}

/** Does something for each, a few at a time. */
const each = async <T>(items: readonly T[], task: (item: T) => Promise<unknown>) => {
  for (let start = 0; start < items.length; start += AT_ONCE)
    await Promise.all(items.slice(start, start + AT_ONCE).map(task))
}
