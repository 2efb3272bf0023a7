import type { Pool } from 'pg'
import type { EventStore, Position } from '../ports/event-store.ts'
import { projections } from '../projections/index.ts'
import type { AnyProjection } from '../projections/projection.ts'
import { rebuild } from '../projections/rebuild.ts'

const BAR_WIDTH = 30
const LINE_EVERY_MS = 5000

type Output = { readonly isTTY?: boolean; write(text: string): unknown }

const all: Readonly<Record<string, AnyProjection>> = Object.fromEntries(
  Object.values(projections).map((projection) => [projection.name, projection]),
)

/** A bar that stays on its line at a terminal; elsewhere a line now and then. */
const progress = (output: Output, name: string) => {
  let shownAt = 0
  return (position: Position, head: Position) => {
    const share = head === 0n ? 1 : Math.min(1, Number(position) / Number(head))
    const now = Date.now()
    if (share < 1 && now - shownAt < (output.isTTY ? 100 : LINE_EVERY_MS)) return
    shownAt = now
    const filled = Math.round(share * BAR_WIDTH)
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`
    const percent = `${Math.floor(share * 100)} %`.padStart(5)
    output.write(output.isTTY ? `\r${name.padEnd(20)} ${bar} ${percent}` : `${name} ${percent.trim()}\n`)
  }
}

/**
 * Makes read models anew from the log, beside the live tables, all of them if none is named. The system may run
 * meanwhile. Throws for a name that is not a read model.
 */
export const replay = async (pool: Pool, store: EventStore, names: readonly string[], output: Output) => {
  const unknown = names.find((name) => !(name in all))
  if (unknown !== undefined)
    throw new Error(`There is no read model ${unknown}. There are: ${Object.keys(all).join(', ')}.`)
  for (const name of names.length > 0 ? names : Object.keys(all)) {
    const projection = all[name]
    if (!projection) continue
    const startedAt = performance.now()
    const events = await rebuild(projection, { pool, store, onProgress: progress(output, name) })
    const seconds = (performance.now() - startedAt) / 1000
    const rate = Math.round(events / Math.max(seconds, 0.001))
    output.write(
      `${output.isTTY ? '\r' : ''}${name.padEnd(20)} ${events} events in ${seconds.toFixed(1)} s (${rate}/s)\n`,
    )
  }
}
