import { setTimeout as delay } from 'node:timers/promises'
import type { GatewayListener, SessionRef } from '../../ports/gateway.ts'
import { createAddresses, type Addresses } from './addresses.ts'
import type { OpenSocket } from './ask.ts'
import { createCaches } from './caches.ts'
import type { GroupCache } from './group-cache.ts'
import { nothingToPairOver, type CodeRequest } from './pairing.ts'
import { safe, type Write } from './quiet-logs.ts'
import { backoffMs, verdictOn, type Backoff, type Reconnect, type Stop } from './reconnect.ts'
import { createReports, type Reports } from './reports.ts'
import type { Send } from './send.ts'
import type { Connection } from './connection.ts'
import type { Ended } from './life.ts'
import type { SessionStore } from './session-store.ts'
import type { Versions } from './version.ts'

/** What can be done while the connection is open. */
export type Open = OpenSocket & { readonly send: Send; readonly groups: GroupCache }

/** The session of an instance, over one socket after the other. */
export type Session = {
  readonly ref: SessionRef
  readonly listener: GatewayListener
  readonly closing: AbortController
  readonly report: Reports
  readonly caches: ReturnType<typeof createCaches>
  readonly addresses: Addresses
  store?: SessionStore | undefined
  connection?: Connection | undefined
  open?: Open | undefined
  /** Somebody wants to pair by a code. */
  code?: CodeRequest | undefined
  /** Until it is reported that the connection is lost. */
  losing?: NodeJS.Timeout | undefined
  /** Ends the pause before the next socket. */
  wake: () => void
  /** It stopped by itself: there is no next socket until it is opened again. */
  isOver: boolean
}

/** Who counts. */
export type Watch = {
  readonly opened: () => void
  readonly closed: () => void
  readonly reconnecting: (reason: string) => void
}

export type Timing = {
  readonly backoff: Backoff
  /** Before the one new try after another connection took over. */
  readonly slowlyMs: number
  /** Open for as long, a connection counts as good: what failed before is forgotten. */
  readonly steadyMs: number
  /** A connection that is back sooner was never lost, to those outside. */
  readonly offlineAfterMs: number
}

type Parts = {
  readonly timing: Timing
  readonly versions: Pick<Versions, 'doubt'>
  /** Runs one socket from its making to its end. */
  readonly attempt: (session: Session) => Promise<Ended | 'overtaken'>
  readonly write: Write
  readonly watch?: Watch
  readonly random: () => number
}

export const createSession = (
  ref: SessionRef,
  listener: GatewayListener,
  onError: (error: unknown) => void,
): Session => {
  const closing = new AbortController()
  const session: Session = {
    ref,
    listener,
    closing,
    report: createReports(listener, closing.signal, onError),
    caches: createCaches(),
    addresses: createAddresses((link) => {
      listener.addressLink(link).catch(onError)
    }),
    wake: () => undefined,
    isOver: false,
  }
  return session
}

const now = () => new Date().toISOString()

/** One socket after the other, until the session is closed or stops by itself. Does not reject. */
export const runSession = async (parts: Parts, session: Session): Promise<void> => {
  const { attempt, timing, versions, write } = parts
  const { signal } = session.closing
  const fields = { instance: session.ref.instanceId }
  let failures = 0
  let wasReplaced = false
  let wasQuick = false

  const stop = async ({ reason, wipes, alarm }: Stop) => {
    session.isOver = true
    clearTimeout(session.losing)
    write(alarm === undefined ? 'info' : 'error', alarm ?? 'the session stopped', { ...fields, reason })
    // If it fails, the next login is refused again, and wipes again.
    if (wipes) await session.store?.wipe().catch((error: unknown) => fault('the keys were not wiped', error))
    session.code?.reject(nothingToPairOver())
    session.report({ status: 'disconnected', reason, at: now() })
  }
  const fault = (text: string, error: unknown) => write('error', text, { ...fields, err: error })

  const pauseMs = ({ when }: Reconnect): number => {
    if (when === 'slowly') return timing.slowlyMs
    if (when === 'now' && !wasQuick) return 0
    failures += 1
    return backoffMs(failures - 1, timing.backoff, parts.random)
  }

  while (!signal.aborted) {
    const ended = await attempt(session)
    if (signal.aborted) break
    if (ended === 'overtaken') {
      // The new owner tells how the connection is.
      session.isOver = true
      write('warn', 'another owner has the session', fields)
      break
    }
    if (ended.openForMs >= timing.steadyMs) {
      failures = 0
      wasReplaced = false
    }
    const verdict = verdictOn(ended, wasReplaced)
    if (verdict.kind === 'stop') {
      await stop(verdict)
      break
    }
    // Whoever asked for a pairing code has ended the connection, and waits for the next one.
    const isAskedFor = session.code !== undefined
    const ms = isAskedFor ? 0 : pauseMs(verdict)
    wasReplaced ||= ended.code === 440
    wasQuick = verdict.when === 'now' && !isAskedFor
    if (verdict.wantsVersion) versions.doubt()
    write(verdict.alarm === undefined ? 'info' : 'error', verdict.alarm ?? 'the connection ended', {
      ...fields,
      code: ended.code,
      reason: safe(ended.message),
      againInMs: Math.round(ms),
    })
    parts.watch?.reconnecting(verdict.reason)
    startLosing(session, verdict.reason, timing.offlineAfterMs)
    await pause(session, ms)
  }
  clearTimeout(session.losing)
}

/** Unless the connection is back by then, it is reported that it is not there. */
export const startLosing = (session: Session, reason: string, afterMs: number) => {
  session.losing ??= setTimeout(() => session.report({ status: 'offline', reason, at: now() }), afterMs)
}

export const stopLosing = (session: Session) => {
  clearTimeout(session.losing)
  session.losing = undefined
}

const pause = async (session: Session, ms: number) => {
  const waking = new AbortController()
  session.wake = () => waking.abort()
  const signal = AbortSignal.any([session.closing.signal, waking.signal])
  await delay(ms, undefined, { signal }).catch(() => undefined)
  session.wake = () => undefined
}
