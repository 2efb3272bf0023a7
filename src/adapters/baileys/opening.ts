import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { isConnectionError } from '../postgres/errors.ts'
import type { SessionCipher } from './cipher.ts'

/** Before what failed for lack of a connection is tried again. A send may be waiting, with the locks that it holds. */
const RETRY_MS = [100, 400, 1500]

/** Another owner, or a later opening here, has the session: nothing was written. */
export class Overtaken extends Error {
  override name = 'Overtaken'
}

/** One opening of the state of a session. The tables know the last one, and refuse what any other still writes. */
export type Opening = {
  readonly id: string
  readonly instanceId: string
  readonly pool: Pool
  readonly cipher: SessionCipher
  /** Aborts once something failed, with the error as its reason. */
  readonly broken: AbortSignal
  /**
   * Does what can be done twice, again while the database is out of reach. If that fails the opening is broken: what the
   * library believes from then on may be wrong, so that nothing more is done for it.
   */
  attempt<T>(work: () => Promise<T>): Promise<T>
  /** Does the last thing. What the library still wants to write after it is refused, and that is no failure. */
  end<T>(work: () => Promise<T>): Promise<T>
}

export const newOpening = (parts: Pick<Opening, 'instanceId' | 'pool' | 'cipher'>): Opening => {
  const breaking = new AbortController()
  let isOver = false

  const persist = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let failures = 0; ; failures++)
      try {
        return await work()
      } catch (error) {
        const pauseMs = RETRY_MS[failures]
        if (pauseMs === undefined || !isConnectionError(error)) throw error
        await sleep(pauseMs)
      }
  }

  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    breaking.signal.throwIfAborted()
    if (isOver) throw new Overtaken('The session was unlinked')
    try {
      return await persist(work)
    } catch (error) {
      if (!isOver) breaking.abort(error)
      throw error
    }
  }

  const end = <T>(work: () => Promise<T>): Promise<T> => {
    isOver = true
    return persist(work)
  }

  return { ...parts, id: randomUUID(), broken: breaking.signal, attempt, end }
}
