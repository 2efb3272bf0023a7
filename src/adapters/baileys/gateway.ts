import { Agent } from 'node:https'
import type { Pool } from 'pg'
import { isMedia } from '../../domain/content.ts'
import type { MediaStore } from '../../ports/media-store.ts'
import type { Gateway, GatewayListener, Outgoing, SendOutcome, SessionRef } from '../../ports/gateway.ts'
import { createLocalTurns } from '../../local-turns.ts'
import { createPlaces } from '../../places.ts'
import { within } from '../within.ts'
import { alreadyPaired, createAttempt } from './attempt.ts'
import type { Cipher } from './cipher.ts'
import { markRead, profilePicture, showPresence } from './calls.ts'
import { disconnected, notConnected } from './failures.ts'
import { createGoodbye } from './goodbye.ts'
import { baileysGroups } from './groups.ts'
import { createDownloads } from './download.ts'
import { isPaired, noAnswer, nothingToPairOver } from './pairing.ts'
import { safe, type Write } from './quiet-logs.ts'
import { forgetSession, openSessionStore } from './session-store.ts'
import { createSession, runSession, stopLosing, type Open, type Session, type Watch } from './sessions.ts'
import { openUpload, removeUploadLeftovers } from './upload.ts'
import { createVersions } from './version.ts'

/** A login costs a quarter of a second of work, and a thundering herd is not well received. */
const LOGINS_AT_ONCE = 4
/** Files that go out at once, of all sessions: each has its pictures in memory, and lies encrypted on the disk. */
const UPLOADS_AT_ONCE = 8

export const usualTiming = {
  callMs: 20_000,
  /** Less than a call: a lost acknowledgement alone is not the end of a connection. */
  ackMs: 15_000,
  uploadMs: 120_000,
  loginMs: 60_000,
  backoff: { minMs: 1000, maxMs: 60_000 },
  slowlyMs: 30_000,
  steadyMs: 60_000,
  offlineAfterMs: 5000,
  settleMs: 5000,
  /** For the goodbye to WhatsApp, over the connection that there is. */
  logoutMs: 5000,
  /** The same where one has to be made for it. */
  goodbyeMs: 10_000,
  codeMs: 40_000,
}

export type BaileysOptions = {
  readonly url: string
  readonly version?: string
  /** A certificate authority to trust for files instead of the usual ones, in PEM. */
  readonly mediaCa?: string
  readonly mediaStore: MediaStore
  /** Of the kind that waits for the disk. */
  readonly pool: Pool
  readonly cipher: Cipher
  readonly log: Write
  readonly watch?: Watch
  readonly timing?: Partial<typeof usualTiming>
  readonly random?: () => number
}

const yes = () => true
const no = () => false

const REAL_URL = 'wss://web.whatsapp.com/ws/chat'

/** WhatsApp itself, as a linked device of the phone of each instance. */
export const baileysGateway = (options: BaileysOptions): Gateway & { stop(): Promise<void> } => {
  const { url, log: write, pool, cipher } = options
  const timing = { ...usualTiming, ...options.timing }
  const versions = createVersions({
    isReal: url === REAL_URL,
    ...(options.version !== undefined && { fixed: options.version }),
  })
  const onStoreError = (error: unknown) => write('error', 'the state of WhatsApp sessions', { err: error })
  const ca = options.mediaCa === undefined ? {} : { ca: options.mediaCa }
  const downloads = createDownloads({
    whatsappUrl: url,
    ...ca,
    onMissing: (whatsappId, missing, detail) =>
      write('warn', 'a file could not be had', { message: whatsappId, missing, detail: safe(detail) }),
  })
  const watching = options.watch ? { watch: options.watch } : {}
  const connecting = {
    ...{ url, timing, versions, write, logins: createPlaces(LOGINS_AT_ONCE) },
    network: { fetchAgent: new Agent(ca) },
    openStore: (ref: SessionRef) => openSessionStore({ pool, cipher, onError: onStoreError }, ref),
  }
  const attempt = createAttempt({
    ...{ ...watching, ...connecting, uploads: createPlaces(UPLOADS_AT_ONCE) },
    download: downloads.download,
    fileOf: async ({ content }) => (isMedia(content) ? openUpload(content, options.mediaStore) : undefined),
  })
  const sayGoodbye = createGoodbye(connecting)
  const loop = { attempt, timing, versions, write, ...watching, random: options.random ?? Math.random }
  const sessions = new Map<string, { readonly session: Session; readonly ended: Promise<void> }>()
  const inTurn = createLocalTurns()

  const begin = (ref: SessionRef, listener: GatewayListener) => {
    const onError = (error: unknown) =>
      write('warn', 'what happened could not be stored; trying again', {
        instance: ref.instanceId,
        err: error,
      })
    const session = createSession(ref, listener, onError)
    sessions.set(ref.instanceId, { session, ended: runSession(loop, session) })
  }

  const openOf = (instanceId: string): Open | undefined => {
    const session = sessions.get(instanceId)?.session
    return session?.connection?.isOpen() ? session.open : undefined
  }
  const mustBeOpen = (instanceId: string): Open => {
    const open = openOf(instanceId)
    if (!open) throw notConnected()
    return open
  }

  const open: Gateway['open'] = async (ref, listener) => {
    const known = sessions.get(ref.instanceId)
    if (known && !known.session.isOver) {
      // It counts as being on its way again: that it is not there, too, is told again.
      stopLosing(known.session)
      return known.session.wake()
    }
    // What it has still to report is no longer true; what it still deletes is not to be read again.
    known?.session.closing.abort()
    await known?.ended
    begin(ref, listener)
  }

  const logOut = async ({ sock }: Open) =>
    within(timing.logoutMs, sock.logout(), () => new Error('WhatsApp did not take the logout in time'))

  const end: Gateway['close'] = async (instanceId, { forget }) => {
    const known = sessions.get(instanceId)
    const there = openOf(instanceId)
    sessions.delete(instanceId)
    const isLoggedOut = forget && there !== undefined && (await logOut(there).then(yes, no))
    known?.session.closing.abort()
    await known?.ended
    if (!forget) return
    if (!isLoggedOut)
      await sayGoodbye(instanceId).catch((error: unknown) =>
        write('warn', 'the phone still lists this device', { instance: instanceId, err: error }),
      )
    await forgetSession(pool, instanceId)
  }

  const pairingCode: Gateway['pairingCode'] = (instanceId, phoneNumber) => {
    const session = sessions.get(instanceId)?.session
    if (!session || session.isOver) return Promise.reject(nothingToPairOver())
    if (session.store && isPaired(session.store.auth.creds)) return Promise.reject(alreadyPaired())
    session.code?.reject(noAnswer())
    const asked = new Promise<string>((resolve, reject) => {
      session.code = { phoneNumber, resolve, reject }
    })
    // A code lives as long as its connection: it begins with a new one, which lives longer.
    session.connection?.end({ code: 515, message: 'A pairing code is asked for' })
    session.wake()
    return within(timing.codeMs, asked, noAnswer)
  }

  const send = async (message: Outgoing): Promise<SendOutcome> => {
    const there = openOf(message.instanceId)
    return there
      ? there.send(message)
      : { kind: 'retry', reason: 'The instance is not connected to WhatsApp.' }
  }

  if (url !== REAL_URL)
    write('warn', 'WHATSAPP_URL is not WhatsApp: whoever answers there is trusted', { url })
  removeUploadLeftovers().catch(onStoreError)

  return {
    open: (ref, listener) => inTurn(ref.instanceId, () => open(ref, listener)),
    close: (instanceId, how) => inTurn(instanceId, () => end(instanceId, how)),
    connected: (instanceId) => openOf(instanceId) !== undefined,
    send,
    pairingCode,
    markRead: async (instanceId, messages) => {
      const there = mustBeOpen(instanceId)
      await markRead(there, there.groups, messages)
    },
    showPresence: async (instanceId, chat, presence) => showPresence(mustBeOpen(instanceId), chat, presence),
    profilePicture: async (instanceId, jid) => profilePicture(mustBeOpen(instanceId), jid),
    groups: baileysGroups(mustBeOpen),
    stop: async () => {
      await Promise.all([...sessions.keys()].map((id) => inTurn(id, () => end(id, { forget: false }))))
      await downloads.close()
    },
  }
}
