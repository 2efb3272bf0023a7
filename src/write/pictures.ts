import { Conversation, show } from '../domain/conversation.ts'
import { discard, Media } from '../domain/media.ts'
import type { Context } from '../domain/metadata.ts'
import type { FetchFile } from '../ports/fetch-file.ts'
import type { MediaKeeper } from './media.ts'
import type { Load, Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly fetchFile: FetchFile
  readonly media: Pick<MediaKeeper, 'spool' | 'keep'>
}

const picture = { type: 'image' } as const

/** The pictures of people and groups, kept as files of their conversations: WhatsApp's own links are good for days only. */
export const createPictures = ({ transact, load, fetchFile, media }: Parts) => {
  const discardFile = async (id: string | undefined, context: Context) => {
    if (id !== undefined) await transact(Media, id, discard('replaced', new Date().toISOString()), context)
  }

  /** Keeps the file at a URL, unless it is the one that is known. */
  const keep = async (
    url: string,
    known: string | undefined,
    place: { readonly instanceId: string; readonly conversationId: string },
    context: Context,
  ) => {
    const { body, size } = await fetchFile(url)
    const spooled = await media.spool(body, picture, size)
    const sha256 = known === undefined ? undefined : (await load(Media, known)).state.file?.sha256
    if (sha256 !== spooled.sha256) return media.keep(spooled, picture, place, context)
    await spooled.discard()
    return undefined
  }

  /** Takes down which picture a conversation has now; `url` is where it is at this moment, undefined if there is none. */
  return async (
    { instanceId, conversationId }: { readonly instanceId: string; readonly conversationId: string },
    url: string | undefined,
    context: Context,
  ): Promise<void> => {
    const { exists, picture: known } = (await load(Conversation, conversationId)).state
    if (!exists) return
    const place = { instanceId, conversationId }
    const kept = url === undefined ? undefined : await keep(url, known?.mediaId, place, context)
    if (url !== undefined && !kept) return
    const shown = kept && { mediaId: kept.id, key: kept.file.key, mimeType: kept.file.mimeType }
    const at = new Date().toISOString()
    const { events } = await transact(Conversation, conversationId, show(shown, at), context)
    // Deleted meanwhile, the conversation has no use for the new one.
    await discardFile(events.length > 0 ? known?.mediaId : kept?.id, context)
  }
}
export type TakePicture = ReturnType<typeof createPictures>
