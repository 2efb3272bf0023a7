import { invalid, notFound, Refusal } from '../../domain/errors.ts'
import { isGroup, numberOf, toJid, toPerson } from '../../domain/values.ts'
import type { SandboxPhone, SandboxWritten } from '../../ports/sandbox.ts'
import type { Turns } from '../../ports/turns.ts'
import { ownJid, type GroupSightings } from './groups.ts'
import { newWhatsappId, ownNumber, placeAndAuthor } from './people.ts'
import type { PhoneStore } from './phone-store.ts'
import { change, connect, lostReport, now, type Link, type Session, type Sessions } from './sessions.ts'

type Parts = {
  readonly sessions: Sessions
  readonly store: PhoneStore
  readonly inTurn: Turns
  readonly seeGroup: GroupSightings
}

/** What can be done with the simulated phone of an open session. */
export const sandboxPhone = ({ sessions, store, inTurn, seeGroup }: Parts): SandboxPhone => {
  const connected = async (instanceId: string) => {
    const session = await sessions.awaitOpen(instanceId)
    const { state, profile } = paired(session.link)
    if (state !== 'connected') throw notConnected('The simulated phone has no connection. Connect it first.')
    return { session, listener: session.listener, profile }
  }
  /** Where somebody writes: a group is from then on one of the phone's groups. */
  const placed = async (instanceId: string, written: SandboxWritten) => {
    const { session, listener, profile } = await connected(instanceId)
    const { place, author } = placeAndAuthor(instanceId, profile, written)
    if (!isGroup(place.chat)) return { listener, place, author }
    const chatName = await seeGroup(session, ownJid(profile), { ...place, sender: author.sender })
    return { listener, place: { chat: place.chat, ...(chatName !== undefined && { chatName }) }, author }
  }
  /** Changes the connection, one change at a time. */
  const changing = async <T>(instanceId: string, task: (session: Session) => Promise<T>): Promise<T> => {
    await sessions.awaitOpen(instanceId)
    return inTurn(instanceId, async () => task(sessions.get(instanceId)))
  }

  return {
    scan: (instanceId, { phoneNumber, name }) =>
      changing(instanceId, async (session) => {
        if (session.link.state !== 'unpaired') throw alreadyPaired(session.link.state)
        const profile = {
          phoneNumber:
            phoneNumber === undefined
              ? ownNumber(instanceId)
              : numberOf(toPerson(phoneNumber, 'phone_number')),
          ...(name !== undefined && { profileName: name }),
        }
        await store.pair(instanceId, profile)
        await connect(session, profile)
        return profile
      }),

    incoming: async (instanceId, { content, whatsappId = newWhatsappId(), at = now(), ...written }) => {
      const { listener, place, author } = await placed(instanceId, written)
      await listener.message({ ...place, ...author, whatsappId, content, at })
      return { whatsappId }
    },

    receipt: async (instanceId, { whatsappId, status, at = now() }) => {
      const { listener } = await connected(instanceId)
      if ((await store.placeOf(instanceId, whatsappId)) === undefined)
        throw notFound(`Outbox message ${whatsappId}`)
      await listener.receipt({ whatsappId, status, at })
    },

    reaction: async (instanceId, { targetWhatsappId, emoji, at = now(), ...written }) => {
      const { listener, place, author } = await placed(instanceId, written)
      await listener.reaction({ chat: place.chat, ...author, targetWhatsappId, emoji, at })
    },

    change: async (instanceId, { whatsappId: targetWhatsappId, fromMe = false, text, at = now() }) => {
      const { listener } = await connected(instanceId)
      await listener.change({ targetWhatsappId, fromMe, ...(text !== undefined && { text }), at })
    },

    outbox: async (instanceId, { limit, after }) => {
      await sessions.awaitOpen(instanceId)
      const place = after === undefined ? 0 : await store.placeOf(instanceId, after)
      if (place === undefined) throw invalid('after', 'must be the message_id of a message in the outbox')
      return store.list(instanceId, place, limit)
    },

    contact: async (instanceId, { of, savedName, pushName, pictureUrl }) => {
      const { session, listener } = await connected(instanceId)
      const jid = toJid(of, 'of')
      if (pictureUrl === null) session.pictures.delete(jid)
      else if (pictureUrl !== undefined) session.pictures.set(jid, pictureUrl)
      await listener.contact({
        jid,
        ...(savedName !== undefined && { savedName }),
        ...(pushName !== undefined && { pushName }),
        ...(pictureUrl !== undefined && { pictureChanged: true }),
        at: now(),
      })
    },

    signs: async (instanceId) => (await sessions.awaitOpen(instanceId)).signs,

    fail: async (instanceId, failure) => {
      const session = await sessions.awaitOpen(instanceId)
      session.failures = [...session.failures, failure]
    },

    disconnect: (instanceId, reason) =>
      changing(instanceId, async (session) => {
        const { profile } = paired(session.link)
        await change(session, { state: 'offline', profile }, lostReport('offline', reason))
      }),

    connect: (instanceId) =>
      changing(instanceId, async (session) => {
        const { state, profile } = paired(session.link)
        if (state !== 'connected') await connect(session, profile)
      }),
  }
}

const notConnected = (message: string) => new Refusal('INSTANCE_NOT_CONNECTED', message)

const paired = (link: Link) => {
  if (link.state === 'unpaired')
    throw notConnected('The simulated phone is not paired. Scan the QR code with it first.')
  return link
}

const alreadyPaired = (state: Link['state']) =>
  new Refusal(
    'CONFLICT',
    state === 'connected'
      ? 'The simulated phone is already connected.'
      : 'The simulated phone is already paired. Connect it instead.',
  )
