import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import type { Position } from '../../ports/event-store.ts'
import { APPENDED } from './event-log.sql.ts'

/** Looked for without a wake-up, in case a notification got lost. */
const POLL_MS = 1000
const RECONNECT_MS = 500
const POSITION = /^\d{1,19}$/

type Options = {
  readonly pool: Pool
  /** Nobody else appends. */
  readonly alone: boolean
  /** Something was appended up to a position. */
  readonly wake: (position: Position) => void
  /** Something may have been appended. */
  readonly look: () => void
  readonly onError: (error: unknown) => void
}

/** Tells of appends until the signal: by notifications of other processes, and by a slow poll. */
export const watchAppends = ({ pool, alone, wake, look, onError }: Options, signal: AbortSignal) => {
  /** Whoever may connect to the database may notify, whatever it is. */
  const hear = (payload: string) => (POSITION.test(payload) ? wake(BigInt(payload)) : look())

  const poll = async () => {
    while (!signal.aborted) {
      await sleep(POLL_MS, undefined, { signal, ref: false }).catch(() => {})
      if (!signal.aborted) look()
    }
  }

  const listen = async () => {
    while (!signal.aborted) {
      let client: PoolClient | undefined
      try {
        client = await pool.connect()
        client.on('error', onError)
        client.on('notification', ({ payload = '' }) => hear(payload))
        await client.query(`listen ${APPENDED}`)
        await once(client, 'end', { signal })
      } catch (error) {
        if (!signal.aborted) onError(error)
      }
      client?.release(true)
      if (!signal.aborted) await sleep(RECONNECT_MS)
    }
  }

  return Promise.all([poll(), !alone && listen()])
}
