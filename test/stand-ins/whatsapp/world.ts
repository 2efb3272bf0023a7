import type { proto } from '@whiskeysockets/baileys'
import { answerGroupIqs } from './group-iqs.ts'
import { addGroups } from './groups.ts'
import { addHistory } from './history.ts'
import { addMediaRetries, answerMediaIqs } from './media-iqs.ts'
import { startMediaHost } from './media-host.ts'
import { messageWith, openFile, type Attachment } from './media.ts'
import { addPictures } from './pictures.ts'
import { addPresence } from './presence.ts'
import { startWhatsApp } from './whatsapp.ts'
import type { Person, WhatsAppOptions, WriteOptions } from './types.ts'

/** WhatsApp with all that is around direct messages: groups, files, pictures, presence, and a past. */
export const startWorld = async (options: WhatsAppOptions = {}) => {
  const host = await startMediaHost()
  const whatsApp = await startWhatsApp(options)
  const groups = addGroups(whatsApp)
  answerGroupIqs(whatsApp, groups)
  answerMediaIqs(whatsApp, host)
  /** They answer no requests of the clients linked to their accounts. */
  const phonesOff = new Set<Person>()

  return {
    whatsApp,
    host,
    groups,
    pictures: addPictures(whatsApp, host),
    presence: addPresence(whatsApp),
    history: addHistory(whatsApp, phonesOff),
    lostFiles: addMediaRetries(whatsApp, host, phonesOff),
    phonesOff,
    /** A person sends a file to another one or to a group; resolves with the id of the message. */
    sendFile: async (from: Person, to: Person | string, file: Attachment, how?: WriteOptions) =>
      from.writeTo(to, await messageWith(host, file), how),
    /** The file of a message that somebody got, if everything about it is right. */
    openFile: (message: proto.IMessage) => openFile(host, message),
    /** What the server, a phone or the media host could not make sense of. */
    errors: () => [...whatsApp.errors, ...host.errors],
    stop: async () => {
      await whatsApp.stop()
      await host.stop()
    },
  }
}
export type World = Awaited<ReturnType<typeof startWorld>>
