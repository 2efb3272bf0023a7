import { randomBytes } from 'node:crypto'

/** Chats that messages come from and go to, in turns. */
const CHATS = 200
const TEXT = 'Good morning! I would like to know whether my order has left already, and when it will be here.'

const run = randomBytes(4).toString('hex').toUpperCase()
let count = 0

const nextNumber = () => {
  count += 1
  return {
    id: `3A${run}${String(count).padStart(10, '0')}`,
    phone: `55119${String(count % CHATS).padStart(8, '0')}`,
  }
}

/** An incoming message as a gateway tells it, under an id that never comes twice. */
export const nextIncoming = () => {
  const { id, phone } = nextNumber()
  const remoteJid = `${phone}@s.whatsapp.net`
  const messageTimestamp = Math.floor(Date.now() / 1000)
  const key = { remoteJid, fromMe: false, id }
  return {
    id,
    body: { remoteJid, message: { conversation: TEXT }, messageTimestamp, pushName: 'Maria', key },
  }
}

export const nextOutgoing = () => ({ recipient: nextNumber().phone, message: TEXT })
