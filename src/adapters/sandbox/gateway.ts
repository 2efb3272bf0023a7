import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from 'pg'
import { Refusal } from '../../domain/errors.ts'
import { isGroup } from '../../domain/values.ts'
import { createLocalTurns } from '../../local-turns.ts'
import type { Gateway, Outgoing, SendOutcome } from '../../ports/gateway.ts'
import type { SandboxPhone } from '../../ports/sandbox.ts'
import { isDataError } from '../postgres/errors.ts'
import { createGroupStore } from './group-store.ts'
import { createGroupSightings, isIn, ownJid, sandboxGroups } from './groups.ts'
import { createPhoneStore } from './phone-store.ts'
import { sandboxPhone } from './phone.ts'
import {
  connect,
  createSessions,
  lostReport,
  newSession,
  now,
  show,
  takeFailure,
  underway,
  type Session,
  type Sessions,
} from './sessions.ts'
import { inTime } from './in-time.ts'

const STORE_TIMEOUT_MS = 10_000
const SLOW_MAX_MS = 30_000
const REPORT_PAUSE_MS = 200

/**
 * Simulated phones: a WhatsApp that nobody needs a phone for. Phones, outboxes and groups are in PostgreSQL and survive a
 * restart, and are there for every node; sessions, scripted failures and lost networks end with the process that has them.
 *
 * `onError` hears of what is tried again. A listener must not wait for `open` or `close` of its own instance.
 */
export const sandboxGateway = (pool: Pool, onError: (error: unknown) => void): Gateway & SandboxPhone => {
  const sessions = createSessions()
  const store = createPhoneStore(pool)
  const groups = createGroupStore(pool)
  const inTurn = createLocalTurns()

  const begin: Gateway['open'] = async ({ instanceId }, listener) => {
    const { qr, profile } = await store.findOrMake(instanceId)
    const opened = newSession(instanceId, listener)
    sessions.add(opened)
    try {
      if (profile) await connect(opened, profile)
      else await listener.connection({ status: 'qr_ready', qr, at: now() })
    } catch (error) {
      sessions.remove(instanceId)
      throw error
    }
  }

  const reopen = async (known: Session): Promise<void> => {
    const { link } = known
    if (link.state === 'dropped') await connect(known, link.profile)
    if (link.state === 'offline') await known.listener.connection(lostReport('offline'))
  }

  const end: Gateway['close'] = async (instanceId, { forget }) => {
    const ended = sessions.find(instanceId)
    sessions.remove(instanceId)
    if (!forget) return
    await Promise.all([...(ended?.arriving ?? [])])
    await store.forget(instanceId)
  }

  /** Ends the connection at once; the listener is told until it hears it, or until it is no longer so. */
  const drop = async (dropped: Session, reason: string): Promise<void> => {
    if (dropped.link.state !== 'connected') return
    const link = { state: 'dropped', profile: dropped.link.profile } as const
    dropped.link = link
    const report = lostReport('disconnected', reason)
    const isTrue = () => dropped.link === link && !dropped.ending.signal.aborted
    while (isTrue()) {
      try {
        await inTurn(dropped.instanceId, async () => {
          if (isTrue()) await dropped.listener.connection(report)
        })
        return
      } catch (error) {
        onError(error)
        await delay(REPORT_PAUSE_MS, undefined, { ref: false })
      }
    }
  }

  /** Whether a message got into the outbox: not if it goes to a group that the instance has left. */
  const take = async ({ link }: Session, message: Outgoing, at: string): Promise<boolean> => {
    if (isGroup(message.chat)) {
      const group = await groups.find(message.instanceId, message.chat)
      if (group && link.state !== 'unpaired' && !isIn(group, ownJid(link.profile))) return false
    }
    await store.receive({ ...message, at })
    return true
  }

  const arrive = async (session: Session, message: Outgoing): Promise<SendOutcome> => {
    const at = now()
    try {
      const taken = await inTime(STORE_TIMEOUT_MS, underway(session, take(session, message, at)))
      return taken ? { kind: 'sent', at } : { kind: 'refused', reason: 'The instance is not in this group.' }
    } catch (error) {
      onError(error)
      return isDataError(error)
        ? { kind: 'refused', reason: 'The sandbox cannot store this message.' }
        : retry('The sandbox could not store the message.')
    }
  }

  const send: Gateway['send'] = async (message) => {
    const sender = sessions.find(message.instanceId)
    if (sender?.link.state !== 'connected') return retry('The instance is not connected to WhatsApp.')
    const failure = takeFailure(sender)
    if (!failure) return arrive(sender, message)
    const { outcome, reason, delayMs = 0 } = failure
    switch (outcome) {
      case 'refuse':
        return { kind: 'refused', reason: reason ?? 'WhatsApp refused the message.' }
      case 'unavailable':
        return retry(reason ?? 'WhatsApp is not available.')
      case 'lost_ack':
        await arrive(sender, message)
        return retry(reason ?? 'WhatsApp did not answer.')
      case 'disconnect':
        void drop(sender, reason ?? 'connection_lost')
        return retry(reason ?? 'The connection to WhatsApp was lost.')
      case 'slow': {
        const late = await arrive(sender, message)
        return delay(Math.min(delayMs, SLOW_MAX_MS), late, { signal: sender.ending.signal }).catch(() =>
          retry('The session ended before WhatsApp answered.'),
        )
      }
    }
  }

  return {
    open: (session, listener) =>
      inTurn(session.instanceId, () => {
        const known = sessions.find(session.instanceId)
        return known ? reopen(known) : begin(session, listener)
      }),
    close: (instanceId, options) => inTurn(instanceId, () => end(instanceId, options)),
    connected: (instanceId) => sessions.find(instanceId)?.link.state === 'connected',
    send,
    // Of a session that is being opened, once it is.
    pairingCode: (instanceId) =>
      inTurn(instanceId, async () => {
        if (connectedSession(sessions, instanceId, false).link.state !== 'unpaired')
          throw new Refusal('CONFLICT', 'The instance is already paired with a phone.')
        return pairingCodeOf(instanceId)
      }),
    markRead: async (instanceId, messages) => {
      const session = connectedSession(sessions, instanceId)
      const theirs = messages.filter(({ fromMe }) => !fromMe)
      show(
        session,
        ...theirs.map(({ whatsappId, chat, sender }) => ({
          kind: 'read' as const,
          whatsappId,
          chat,
          sender,
          at: now(),
        })),
      )
    },
    showPresence: async (instanceId, chat, presence) =>
      show(connectedSession(sessions, instanceId), { kind: 'presence', chat, presence, at: now() }),
    profilePicture: async (instanceId, jid) => connectedSession(sessions, instanceId).pictures.get(jid),
    groups: sandboxGroups({ sessions, store: groups, inTurn }),
    ...sandboxPhone({ sessions, store, inTurn, seeGroup: createGroupSightings(groups, inTurn) }),
  }
}

const CODE_LETTERS = 8
/** Always the same one for an instance; any phone takes it. */
const pairingCodeOf = (instanceId: string) =>
  instanceId.replaceAll('-', '').slice(-CODE_LETTERS).toUpperCase()

const connectedSession = (sessions: Sessions, instanceId: string, connected = true): Session => {
  const session = sessions.find(instanceId)
  if (!session || (connected && session.link.state !== 'connected'))
    throw new Refusal('INSTANCE_NOT_CONNECTED', 'The instance is not connected to WhatsApp.')
  return session
}

const retry = (reason: string): SendOutcome => ({ kind: 'retry', reason })
