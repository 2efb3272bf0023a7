import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { jidDecode, type UserFacingSocketConfig, type WASocket } from '@whiskeysockets/baileys'
import { Refusal } from '../../domain/errors.ts'
import type { Outgoing, SessionRef } from '../../ports/gateway.ts'
import type { Places } from '../../places.ts'
import { within } from '../within.ts'
import type { OutgoingFile } from './compose.ts'
import { createGroupCache } from './group-cache.ts'
import { createHearing } from './hearing.ts'
import type { Downloads } from './download.ts'
import { CODE_QR_MS, isPaired, noAnswer, requestCode, showQrCodes } from './pairing.ts'
import { quietLogs, type Write } from './quiet-logs.ts'
import { createSend } from './send.ts'
import { connect, type Connection } from './connection.ts'
import type { Ended } from './life.ts'
import { Overtaken, type SessionStore } from './session-store.ts'
import { startLosing, stopLosing, type Session, type Watch } from './sessions.ts'
import { createUpload } from './upload.ts'
import type { Versions } from './version.ts'

export type AttemptParts = {
  readonly url: string
  readonly network?: Pick<UserFacingSocketConfig, 'agent' | 'fetchAgent' | 'options'>
  readonly openStore: (ref: SessionRef) => Promise<SessionStore>
  readonly versions: Versions
  /** For whoever wants to log in. */
  readonly logins: Pick<Places, 'enter'>
  readonly download: Downloads['download']
  readonly fileOf: (message: Outgoing) => Promise<OutgoingFile | undefined>
  /** For files that go out. */
  readonly uploads: Pick<Places, 'within'>
  readonly write: Write
  readonly watch?: Watch
  readonly timing: {
    readonly callMs: number
    readonly ackMs: number
    readonly uploadMs: number
    readonly loginMs: number
    readonly offlineAfterMs: number
    /** For what has still to be stored at the end of a socket. */
    readonly settleMs: number
  }
}

/** Makes a socket for a session, and answers how it ended. Does not reject. */
export const createAttempt = (parts: AttemptParts) => {
  const { openStore, versions, logins, write, timing } = parts

  const run = async (session: Session, leave: () => void): Promise<Ended | 'overtaken'> => {
    const { ref, closing } = session
    const store = await openStore(ref)
    session.store = store
    const version = await versions.current()
    closing.signal.throwIfAborted()
    const code = codeFor(session, store)
    const logger = quietLogs(write, ref.instanceId)
    const connection: Connection = connect({
      ...{ url: parts.url, version, store, caches: session.caches },
      ...(parts.network && { network: parts.network }),
      ...(code && { qrMs: CODE_QR_MS }),
      ...{ callMs: timing.callMs, loginMs: timing.loginMs },
      logger,
      groupOf: (jid) => groups.cachedGroupMetadata(jid),
      onQr: (qr) => {
        leave()
        onQr(qr)
      },
      onOpen: () => {
        leave()
        onOpen()
      },
      hasRoom: () => hearing.hasRoom(),
      onBatch: (batch) => {
        groups.hear(batch)
        hearing.hear(batch)
      },
      onError: (error) => write('error', 'what came from WhatsApp was not understood', fault(session, error)),
    })
    const { sock, ask } = connection
    const groups = createGroupCache(() => ({ sock, ask }))
    const hearing = createHearing({
      ...{ connection, groups, store, download: parts.download },
      ...{ listener: session.listener, importsPast: ref.importsPast, closing: closing.signal },
      onError: (error) => write('warn', 'what came from WhatsApp is not stored yet', fault(session, error)),
    })
    const showQr = showQrCodes({
      ...{ sock, creds: store.auth.creds, save: store.saveCreds },
      qrMs: code && CODE_QR_MS,
      show: (shown) => {
        stopLosing(session)
        session.report({ status: 'qr_ready', ...shown, at: now() })
      },
    })
    let isCodeAsked = false
    const onQr = (qr: string) => {
      showQr(qr)
      if (!code || isCodeAsked) return
      isCodeAsked = true
      requestCode(sock, code.phoneNumber).then(code.resolve, code.reject)
    }
    const onOpen = () => {
      const open = { sock, ask }
      const send = createSend({
        ...{ open, messages: store.messages, addresses: session.addresses, groups },
        ...{
          fileOf: parts.fileOf,
          uploads: parts.uploads,
          upload: createUpload(open, { ...parts.network, logger }),
        },
        ...{ ackMs: timing.ackMs, uploadMs: timing.uploadMs },
        onRestricted: () => write('error', 'WhatsApp restricts this account (463)', fault(session)),
        onError: (error) => write('warn', 'a message could not be sent', fault(session, error)),
      })
      session.open = { ...open, send, groups }
      parts.watch?.opened()
      stopLosing(session)
      session.report({ status: 'connected', ...profileOf(sock), at: now() })
      hearing.begin()
    }
    session.connection = connection
    const close = () => connection.end({ code: undefined, message: 'The session was closed' })
    closing.signal.addEventListener('abort', close, { once: true })

    const ended = await connection.ended
    closing.signal.removeEventListener('abort', close)
    if (session.open) parts.watch?.closed()
    session.open = session.connection = undefined
    code?.reject(noAnswer())
    await within(timing.settleMs, Promise.all([store.saveCreds(), hearing.idle()]), late).catch(
      (error: unknown) =>
        write('warn', 'not all was stored at the end of a connection', fault(session, error)),
    )
    // What memory alone has comes before another socket, which would bring more.
    await untilClosed(hearing.stop(), closing.signal, timing.settleMs)
    return store.broken.reason instanceof Overtaken ? 'overtaken' : ended
  }

  return async (session: Session): Promise<Ended | 'overtaken'> => {
    let leave = () => undefined as void
    try {
      leave = await logins.enter(session.closing.signal)
      return await run(session, leave)
    } catch (error) {
      if (error instanceof Overtaken) return 'overtaken'
      if (!session.closing.signal.aborted) {
        startLosing(session, 'connection_lost', timing.offlineAfterMs)
        write('error', 'the session could not be opened; trying again', fault(session, error))
      }
      return { code: undefined, message: 'The session could not be opened', openForMs: 0 }
    } finally {
      leave()
    }
  }
}

/** The code that somebody waits for, if the session is not paired. */
const codeFor = (session: Session, store: SessionStore) => {
  const { code } = session
  session.code = undefined
  if (code && isPaired(store.auth.creds)) code.reject(alreadyPaired())
  return code && !isPaired(store.auth.creds) ? code : undefined
}

export const alreadyPaired = () => new Refusal('CONFLICT', 'The instance is already paired with a phone.')

/** Before WhatsApp has told its name, an account is called so. */
const NAMELESS = '~'

const profileOf = ({ user }: WASocket) => {
  const { id = '', name = NAMELESS } = user ?? {}
  const phoneNumber = jidDecode(id)?.user ?? ''
  return { phoneNumber, ...(name !== NAMELESS && { profileName: name }) }
}

/** Waits for something; once the signal comes, no longer than so. */
const untilClosed = async (work: Promise<void>, signal: AbortSignal, graceMs: number): Promise<void> => {
  const over = new AbortController()
  const closed = signal.aborted ? Promise.resolve() : once(signal, 'abort', { signal: over.signal })
  const late = closed.then(async () => sleep(graceMs, undefined, { signal: over.signal }))
  await Promise.race([work, late.catch(() => undefined)])
  over.abort()
}

const now = () => new Date().toISOString()
const late = () => new Error('It took too long')
const fault = ({ ref }: Session, error?: unknown) => ({
  instance: ref.instanceId,
  ...(error !== undefined && { err: error }),
})
