import type { UserFacingSocketConfig } from '@whiskeysockets/baileys'
import type { SessionRef } from '../../ports/gateway.ts'
import type { Places } from '../../places.ts'
import { within } from '../within.ts'
import { createCaches } from './caches.ts'
import { connect } from './connection.ts'
import { notConnected } from './failures.ts'
import { isPaired } from './pairing.ts'
import { quietLogs, type Write } from './quiet-logs.ts'
import type { SessionStore } from './session-store.ts'
import type { Versions } from './version.ts'

/** Whoever still has the session is overtaken, and nobody has it any more after this. */
const LAST_TERM = Number.MAX_SAFE_INTEGER
/** The phone has removed it meanwhile. */
const ALREADY_GONE = 401

type Parts = {
  readonly url: string
  readonly network: Pick<UserFacingSocketConfig, 'fetchAgent'>
  readonly openStore: (ref: SessionRef) => Promise<SessionStore>
  readonly versions: Pick<Versions, 'current'>
  readonly logins: Pick<Places, 'enter'>
  readonly write: Write
  /** `goodbyeMs`: for what is said over the connection, and until there is one. */
  readonly timing: { readonly callMs: number; readonly goodbyeMs: number }
}

const tooLate = () => new Error('WhatsApp did not take the goodbye in time')

/**
 * Takes an instance that is not connected off the list of linked devices of its phone, over a connection for nothing
 * else. What comes over it goes with all the rest that is kept of the instance.
 */
export const createGoodbye = (parts: Parts) => {
  const { url, network, openStore, versions, logins, write, timing } = parts

  const logOut = async (store: SessionStore, instanceId: string, signal: AbortSignal) => {
    let open: () => void = () => undefined
    const isOpen = new Promise<void>((resolve) => {
      open = resolve
    })
    const connection = connect({
      ...{ url, network, version: await versions.current(), store, caches: createCaches() },
      ...{ callMs: timing.callMs, loginMs: timing.goodbyeMs },
      logger: quietLogs(write, instanceId),
      onQr: () => undefined,
      onOpen: open,
      hasRoom: () => Promise.resolve(),
      onBatch: () => undefined,
      onError: () => undefined,
    })
    const end = () => connection.end({ code: undefined, message: 'Enough was said' })
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    try {
      const ended = await Promise.race([isOpen, connection.ended])
      if (!ended) return await connection.sock.logout()
      if (ended.code !== ALREADY_GONE) throw notConnected()
    } finally {
      signal.removeEventListener('abort', end)
      end()
    }
  }

  const say = async (store: SessionStore, instanceId: string, signal: AbortSignal) => {
    const leave = await logins.enter(signal)
    await logOut(store, instanceId, signal).finally(leave)
  }

  /** Does nothing where no phone is paired. Rejects if it did not go well. */
  return async (instanceId: string): Promise<void> => {
    // However long it takes: one that came after the deletion would leave something of the session.
    const store = await openStore({ instanceId, term: LAST_TERM, importsPast: false })
    if (!isPaired(store.auth.creds)) return
    const enough = new AbortController()
    const said = say(store, instanceId, enough.signal)
    await within(timing.goodbyeMs, said, tooLate).finally(() => enough.abort())
  }
}
