import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { within } from '../within.ts'
import { KEY_CHANGED } from './sealing-keys.sql.ts'

const BEAT_MS = 500
/** How long after the last proof that nothing was missed a node goes by what it remembers. */
export const TRUSTED_MS = 2000
/** A connection that says nothing for so long is given up. */
const SILENT_MS = 10_000
const RECONNECT_MS = 500
const ID_AND_OWNER = /^([0-9a-f-]{36}) ([0-9a-f-]{36})$/

type Options = {
  readonly pool: Pool
  /** A key has another state, or is gone. */
  readonly onChanged: (id: string, owner: string) => void
  /** Any key may have. */
  readonly onMissed: () => void
  readonly onError: (error: unknown) => void
}

/**
 * Hears of keys that change at any node. Each beat asks something over the connection that listens: its answer comes
 * after all that was told before it, so that what is remembered held when it was asked. An answer that is late is no
 * fault: until it comes, a node goes by the database alone.
 */
export const followKeyNews = ({ pool, onChanged, onMissed, onError }: Options) => {
  const stop = new AbortController()
  const { signal } = stop
  let heldAt = -Infinity

  /** Whoever may connect to the database may notify, whatever it is. */
  const hear = (payload: string) => {
    const [, id, owner] = ID_AND_OWNER.exec(payload) ?? []
    if (id !== undefined && owner !== undefined) onChanged(id, owner)
    else onMissed()
  }

  const listen = async (client: PoolClient) => {
    client.on('notification', ({ payload = '' }) => hear(payload))
    await client.query(`listen ${KEY_CHANGED}`)
    onMissed()
    while (!signal.aborted) {
      const askedAt = performance.now()
      await within(SILENT_MS, client.query('select 1'), () => new Error('A connection has gone silent'))
      heldAt = askedAt
      await sleep(BEAT_MS, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  const follow = async () => {
    while (!signal.aborted) {
      let client: PoolClient | undefined
      try {
        client = await pool.connect()
        client.on('error', onError)
        await listen(client)
      } catch (error) {
        if (!signal.aborted) onError(error)
      }
      heldAt = -Infinity
      client?.release(true)
      await sleep(RECONNECT_MS, undefined, { signal, ref: false }).catch(() => {})
    }
  }
  const following = follow()

  const close = async () => {
    stop.abort()
    await following
  }
  return { isCurrent: () => performance.now() - heldAt < TRUSTED_MS, close }
}
