import type { Readable } from 'node:stream'
import type { WAMessage } from '@whiskeysockets/baileys'
import { isMedia, type MediaMessage } from '../../domain/content.ts'
import { createPlaces } from '../../places.ts'
import type { GatewayListener, Incoming } from '../../ports/gateway.ts'
import type { MessageMemory } from './message-memory.ts'
import type { Told } from './told.ts'
import { untilDone } from './until-done.ts'

/** Calls of the listener at once. */
const AT_ONCE = 8

export type Telling = {
  readonly messages: Pick<MessageMemory, 'remember'>
  readonly listener: Omit<GatewayListener, 'connection'>
  /** The content of a message, with its file or with the reason why it is missing. */
  readonly download: (
    message: WAMessage,
    content: MediaMessage,
    how: { readonly keep: (body: Readable) => Promise<MediaMessage>; readonly signal: AbortSignal },
  ) => Promise<MediaMessage>
  readonly onError: (error: unknown) => void
}

/** Makes one thing known to the listener, a message with its file: again until it is heard, or the signal comes. */
export const createTelling = ({ messages, listener, download, onError }: Telling) => {
  const places = createPlaces(AT_ONCE)

  const until = <T>(signal: AbortSignal, task: () => Promise<T>) => untilDone(task, signal, onError)
  /** What is good to have, or what is done without it. */
  const orWithout = <T>(signal: AbortSignal, wanted: Promise<T>, without: T): Promise<T> =>
    wanted.catch((error: unknown) => {
      signal.throwIfAborted()
      onError(error)
      return without
    })

  const contentOf = ({ content, past, ...incoming }: Incoming, message: WAMessage, signal: AbortSignal) => {
    const { whatsappId, chat, fromMe, sender } = incoming
    if (!isMedia(content)) return content
    // Old files are many, and most of them are gone: the phone would be asked for each.
    if (past) return { ...content, mediaMissing: 'past' as const }
    const keep = (body: Readable) => listener.file({ whatsappId, chat, fromMe, sender, content, body })
    const fetched = until(signal, () => download(message, content, { keep, signal }))
    return orWithout<MediaMessage>(signal, fetched, { ...content, mediaMissing: 'unavailable' })
  }

  return async (told: Told, signal: AbortSignal): Promise<void> => {
    const untilHeard = (call: () => Promise<void>) => until(signal, () => places.within(call))
    switch (told.kind) {
      case 'message': {
        const { incoming, raw } = told
        const remembered = until(signal, () => messages.remember([raw]))
        await orWithout(signal, remembered, undefined)
        const content = await contentOf(incoming, raw, signal)
        return untilHeard(() => listener.message({ ...incoming, content }))
      }
      case 'receipt':
        return untilHeard(() => listener.receipt(told.receipt))
      case 'reaction':
        return untilHeard(() => listener.reaction(told.reaction))
      case 'change':
        return untilHeard(() => listener.change(told.change))
      case 'contact':
        return untilHeard(() => listener.contact(told.news))
      case 'addressLink':
        return untilHeard(() => listener.addressLink(told.link))
    }
  }
}
