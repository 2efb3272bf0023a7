import { EventEmitter, once, setMaxListeners } from 'node:events'
import { Refusal } from '../../domain/errors.ts'
import type { ConnectionReport } from '../../domain/instance.ts'
import type { GatewayListener } from '../../ports/gateway.ts'
import type { SandboxFailure, SandboxProfile, SandboxSign } from '../../ports/sandbox.ts'

/** `dropped` connects again when it is opened; `offline` waits for the phone to have its network again. */
export type Link =
  | { readonly state: 'unpaired' }
  | { readonly state: 'connected' | 'dropped' | 'offline'; readonly profile: SandboxProfile }

export type Session = {
  readonly instanceId: string
  readonly listener: GatewayListener
  link: Link
  /** What is still to go wrong, in order. */
  failures: readonly SandboxFailure[]
  /** What others were shown, the newest last. */
  signs: readonly SandboxSign[]
  /** Where the pictures of people and groups are, by JID. */
  readonly pictures: Map<string, string>
  /** What is on its way into the tables of the phone; none of these promises rejects. */
  readonly arriving: Set<Promise<unknown>>
  readonly ending: AbortController
}

/** A session that the log wants is opened a moment after: whoever just made the instance need not look for it. */
const OPEN_WAIT_MS = 3000

/** The open sessions by instance. */
export const createSessions = () => {
  const sessions = new Map<string, Session>()
  const opened = new EventEmitter().setMaxListeners(0)

  const add = (session: Session): void => {
    sessions.set(session.instanceId, session)
    opened.emit(session.instanceId)
  }
  const remove = (instanceId: string): void => {
    sessions.get(instanceId)?.ending.abort()
    sessions.delete(instanceId)
  }
  const find = (instanceId: string): Session | undefined => sessions.get(instanceId)
  const get = (instanceId: string): Session => {
    const session = find(instanceId)
    if (!session) throw new Refusal('NOT_FOUND', 'This instance is not an open sandbox instance.')
    return session
  }
  /** The session of an instance; one that is not open is waited for, for a moment. */
  const awaitOpen = async (instanceId: string): Promise<Session> => {
    if (!find(instanceId)) {
      const signal = AbortSignal.timeout(OPEN_WAIT_MS)
      await once(opened, instanceId, { signal }).catch(() => undefined)
    }
    return get(instanceId)
  }
  return { add, remove, find, get, awaitOpen }
}
export type Sessions = ReturnType<typeof createSessions>

export const newSession = (instanceId: string, listener: GatewayListener): Session => {
  const ending = new AbortController()
  // Every slow send listens.
  setMaxListeners(0, ending.signal)
  return {
    instanceId,
    listener,
    link: { state: 'unpaired' },
    failures: [],
    signs: [],
    pictures: new Map(),
    arriving: new Set(),
    ending,
  }
}

const SIGNS_MAX = 1000
/** Lets others see something. */
export const show = (session: Session, ...signs: readonly SandboxSign[]): void => {
  session.signs = [...session.signs, ...signs].slice(-SIGNS_MAX)
}

/** Keeps what is being stored for the phone in view, so that forgetting the phone comes after it. */
export const underway = <T>({ arriving }: Session, storing: Promise<T>): Promise<T> => {
  const settled: Promise<unknown> = storing.catch(() => undefined).finally(() => arriving.delete(settled))
  arriving.add(settled)
  return storing
}

export const now = () => new Date().toISOString()

export const lostReport = (status: 'disconnected' | 'offline', reason?: string): ConnectionReport => ({
  status,
  ...(reason !== undefined && { reason }),
  at: now(),
})

/** Changes the link and tells the listener. If that fails the link is as before, so that the call can be repeated. */
export const change = async (session: Session, link: Link, report: ConnectionReport): Promise<void> => {
  const before = session.link
  session.link = link
  try {
    await session.listener.connection(report)
  } catch (error) {
    if (session.link === link) session.link = before
    throw error
  }
}

export const connect = (session: Session, profile: SandboxProfile): Promise<void> =>
  change(session, { state: 'connected', profile }, { status: 'connected', ...profile, at: now() })

/** Takes the next scripted failure. */
export const takeFailure = (session: Session): SandboxFailure | undefined => {
  const [next, ...rest] = session.failures
  if (!next) return undefined
  session.failures = next.times > 1 ? [{ ...next, times: next.times - 1 }, ...rest] : rest
  return next
}
