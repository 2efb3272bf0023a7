import type { Readable } from 'node:stream'
import type { AnyMessageContent, MiscMessageGenerationOptions, WAMessage } from '@whiskeysockets/baileys'
import type { Outgoing } from '../../ports/gateway.ts'

/** The file of a message on its way out. */
export type OutgoingFile = {
  readonly stream: Readable
  readonly mimeType: string
  readonly filename?: string
}

export type Given = {
  /** Of a medium; without it, that medium cannot be composed. */
  readonly file?: OutgoingFile
  /** The message that it is about, as WhatsApp gave it; without it, it is made anew of what the log knows. */
  readonly raw?: WAMessage | undefined
}

export type Composed = {
  readonly content: AnyMessageContent
  /** With the id of the message. */
  readonly options: MiscMessageGenerationOptions
}

/** A message in the words of Baileys. Throws if it cannot be said so: nothing would come of trying again. */
export const compose = (_message: Outgoing, _given: Given = {}): Composed => {
  throw new Error('Not composed yet')
}
