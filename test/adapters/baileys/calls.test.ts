import type { WAMessageKey } from '@whiskeysockets/baileys'
import { describe, expect, it } from 'vitest'
import { CallRefused } from '../../../src/adapters/baileys/ask.ts'
import { markRead, profilePicture, showPresence } from '../../../src/adapters/baileys/calls.ts'
import { openWith, refusing } from './open-socket.ts'

const team = '120363001234567890@g.us'
const own = '5511912345678@s.whatsapp.net'
const maria = '5511988887777@s.whatsapp.net'
const mariaLid = '100000000000001@lid'
const known = [{ lid: mariaLid, pn: maria }]

describe('messages that were read', () => {
  const reading = async (messages: Parameters<typeof markRead>[2], mode: 'lid' | 'pn' = 'lid') => {
    const calls: WAMessageKey[][] = []
    const open = openWith(
      {
        readMessages: (keys) => {
          calls.push(keys)
          return Promise.resolve()
        },
      },
      known,
    )
    const participant = mode === 'lid' ? { id: mariaLid, phoneNumber: maria } : { id: maria, lid: mariaLid }
    const group = { id: team, subject: 'Team', owner: undefined, participants: [participant] }
    await markRead(open, { cachedGroupMetadata: () => Promise.resolve(group) }, messages)
    return calls
  }

  it('are named as WhatsApp addresses their authors', async () => {
    const message = { whatsappId: '1', chat: maria, sender: maria, fromMe: false }
    expect(await reading([message])).toEqual([[{ id: '1', fromMe: false, remoteJid: mariaLid }]])
  })
  it.each([
    ['lid', mariaLid],
    ['pn', maria],
  ] as const)('are named in a group of %s as the group has their authors', async (mode, participant) => {
    const message = { whatsappId: '1', chat: team, sender: maria, fromMe: false }
    expect(await reading([message], mode)).toEqual([
      [{ id: '1', fromMe: false, remoteJid: team, participant }],
    ])
  })
  it('are those of others: of our own nothing is said', async () => {
    expect(await reading([{ whatsappId: '1', chat: maria, sender: own, fromMe: true }])).toEqual([])
  })
})

it('presence is shown to whom WhatsApp knows by a hidden id, under that id', async () => {
  const shown: unknown[] = []
  const open = openWith(
    {
      sendPresenceUpdate: (presence, jid) => {
        shown.push([presence, jid])
        return Promise.resolve()
      },
    },
    known,
  )
  await showPresence(open, maria, 'recording')
  await showPresence(open, team, 'paused')
  expect(shown).toEqual([
    ['recording', mariaLid],
    ['paused', team],
  ])
})

describe('a profile picture', () => {
  it('is where WhatsApp says', async () => {
    const open = openWith({ profilePictureUrl: () => Promise.resolve('https://example.com/a.jpg') })
    expect(await profilePicture(open, maria)).toBe('https://example.com/a.jpg')
  })
  it.each([401, 403, 404])('is none where WhatsApp says %s', async (code) =>
    expect(await profilePicture(openWith({ profilePictureUrl: refusing(code) }), maria)).toBeUndefined(),
  )
  it('is not none because of any other no', async () => {
    const open = openWith({ profilePictureUrl: refusing(429) })
    await expect(profilePicture(open, maria)).rejects.toThrow(CallRefused)
  })
})
