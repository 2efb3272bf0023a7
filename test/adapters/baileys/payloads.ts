import type { BaileysEventMap, WAMessage, WAMessageContent, WAMessageKey } from '@whiskeysockets/baileys'
import { pino } from 'pino'
import { makeEventBuffer } from '@whiskeysockets/baileys'

/** Events of Baileys as it raises them, of an account and the people it talks to. */

export const me = { jid: '5511777777777@s.whatsapp.net', lid: '777777777777777@lid', name: 'Bot' }
export const alice = { jid: '5511999999999@s.whatsapp.net', lid: '111111111111111@lid' }
export const bob = { jid: '5511888888888@s.whatsapp.net', lid: '222222222222222@lid' }
export const group = '120363012345678901@g.us'
export const SECONDS = 1_767_225_600
export const AT = '2026-01-01T00:00:00.000Z'

/** How one place is addressed: by number, or by hidden ids with the number beside them. */
export type Addressing = {
  readonly name: string
  readonly dm: (id: string, fromMe?: boolean) => WAMessageKey
  readonly inGroup: (id: string, fromMe?: boolean) => WAMessageKey
}

export const byNumber: Addressing = {
  name: 'addressed by number',
  dm: (id, fromMe = false) => ({ remoteJid: alice.jid, id, fromMe, addressingMode: 'pn' }),
  inGroup: (id, fromMe = false) => ({
    remoteJid: group,
    id,
    fromMe,
    participant: fromMe ? me.jid : alice.jid,
    addressingMode: 'pn',
  }),
}
export const byHiddenId: Addressing = {
  name: 'addressed by hidden id',
  dm: (id, fromMe = false) => ({
    remoteJid: alice.lid,
    // Beside what is from us stands our own number.
    remoteJidAlt: fromMe ? me.jid : alice.jid,
    id,
    fromMe,
    addressingMode: 'lid',
  }),
  inGroup: (id, fromMe = false) => ({
    remoteJid: group,
    id,
    fromMe,
    participant: fromMe ? me.lid : alice.lid,
    participantAlt: fromMe ? me.jid : alice.jid,
    addressingMode: 'lid',
  }),
}

export const waMessage = (
  key: WAMessageKey,
  message: WAMessageContent | null | undefined,
  more: Partial<WAMessage> = {},
): WAMessage => ({
  key,
  ...(message !== undefined && { message }),
  messageTimestamp: SECONDS,
  ...(!key.fromMe && { pushName: 'Alice' }),
  ...more,
})

export const upsert = (
  messages: WAMessage[],
  type: 'notify' | 'append' = 'notify',
): Partial<BaileysEventMap> => ({ 'messages.upsert': { messages, type } })

type Emitted = {
  [E in keyof BaileysEventMap]: readonly [event: E, data: BaileysEventMap[E]]
}[keyof BaileysEventMap]

/** What Baileys makes of events that it holds back and gives out together. */
export const folded = (...events: readonly Emitted[]): Partial<BaileysEventMap> => {
  const buffer = makeEventBuffer(pino({ level: 'silent' }))
  let batch: Partial<BaileysEventMap> = {}
  buffer.process((map) => {
    batch = { ...batch, ...map }
  })
  buffer.buffer()
  for (const [event, data] of events) buffer.emit(event, data)
  buffer.flush()
  buffer.destroy()
  return batch
}
