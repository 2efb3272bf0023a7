import { setTimeout as delay } from 'node:timers/promises'
import type { ConnectionReport } from '../../domain/instance.ts'
import type { GatewayListener } from '../../ports/gateway.ts'

const PAUSE_MIN_MS = 200
const PAUSE_MAX_MS = 10_000

/**
 * Tells how a connection is, one report after the other, each until it is heard or no longer true. After the signal
 * nothing is.
 */
export const createReports = (
  listener: Pick<GatewayListener, 'connection'>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
) => {
  let current: ConnectionReport | undefined
  let isTelling = false

  const tellAll = async () => {
    isTelling = true
    let pauseMs = PAUSE_MIN_MS
    while (current && !signal.aborted) {
      const report = current
      try {
        await listener.connection(report)
        if (current === report) current = undefined
        pauseMs = PAUSE_MIN_MS
      } catch (error) {
        if (signal.aborted) return
        onError(error)
        await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined)
        pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)
      }
    }
    // In the same breath as the look that found nothing more.
    isTelling = false
  }

  return (report: ConnectionReport): void => {
    current = report
    if (!isTelling) void tellAll()
  }
}
export type Reports = ReturnType<typeof createReports>
