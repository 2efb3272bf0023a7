import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { randomUUID } from 'node:crypto'
import type { Pool, PoolClient } from 'pg'

/** Channel that tells of deliveries; the payload is who tells. */
const CHANNEL = 'zapini_deliveries'
/** However much there is to tell, others are woken no more often. */
const REST_MS = 50
const RECONNECT_MS = 500

type Options = {
  readonly pool: Pool
  /** Called when another node tells. */
  readonly onWoken: () => void
  readonly onError: (error: unknown) => void
}

/** Between the deliverers of nodes: there is something to deliver. One that does not hear of it looks each second. */
export const createWakeOthers = ({ pool, onWoken, onError }: Options) => {
  const self = randomUUID()
  let isTelling = false
  let isMore = false

  const tellUntilAllIsTold = async () => {
    do {
      isMore = false
      await pool.query('select pg_notify($1, $2)', [CHANNEL, self]).catch(onError)
      await sleep(REST_MS, undefined, { ref: false })
    } while (isMore)
    isTelling = false
  }

  /** At once the first time; then, for a while, together. */
  const tell = () => {
    isMore = true
    if (isTelling) return
    isTelling = true
    void tellUntilAllIsTold()
  }

  const listen = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      let client: PoolClient | undefined
      try {
        client = await pool.connect()
        client.on('error', onError)
        client.on('notification', ({ payload }) => payload !== self && onWoken())
        await client.query(`listen ${CHANNEL}`)
        onWoken()
        await once(client, 'end', { signal })
      } catch (error) {
        if (!signal.aborted) onError(error)
      }
      client?.release(true)
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => {})
    }
  }

  return { tell, listen }
}
