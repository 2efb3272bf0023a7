import type { Position } from '../ports/event-store.ts'

const BAR_WIDTH = 30
const BAR_WIDTH_MIN = 5
const COLUMNS = 80
const LINE_EVERY_MS = 5000
const DRAW_EVERY_MS = 100
const CLEAR_LINE = '\r\u001b[K'

export type Output = { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown }

const duration = (seconds: number) =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`

const perSecond = (events: number, sinceMs: number) =>
  Math.round(events / Math.max((performance.now() - sinceMs) / 1000, 0.001))

/**
 * Shows how far in the log a job has come, how fast it is and how long it will take: a bar that stays on its line at a
 * terminal, elsewhere a line now and then. `end` puts a last line in its place. `stage` names what it is about.
 */
export const startProgress = (output: Output, firstStage: string) => {
  let name = firstStage
  const told = new Set([firstStage])
  const startedAt = performance.now()
  const isTerminal = output.isTTY === true
  /** What is longer than the line could not be cleared. */
  const room = () => (output.columns ? output.columns : COLUMNS) - 1
  const draw = (text: string) => output.write(`${CLEAR_LINE}${text.slice(0, room())}`)
  let shownAt = startedAt
  let begun: { readonly share: number; readonly events: number } | undefined

  const show = (position: Position, head: Position, events: number) => {
    const share = head === 0n ? 1 : Math.min(1, Math.max(0, Number(position) / Number(head)))
    begun ??= { share, events }
    const now = performance.now()
    if (now - shownAt < (isTerminal ? DRAW_EVERY_MS : LINE_EVERY_MS)) return
    shownAt = now
    const rate = perSecond(events - begun.events, startedAt)
    const leftMs = ((now - startedAt) * (1 - share)) / (share - begun.share)
    const left = Number.isFinite(leftMs) ? `, ${duration(leftMs / 1000)} left` : ''
    const percent = `${Math.floor(share * 100)} %`
    if (isTerminal) draw(lineOf(share, percent, `${rate}/s${left}`))
    else output.write(`${name} ${percent}, ${rate}/s${left}\n`)
  }

  const lineOf = (share: number, percent: string, rest: string) => {
    const [before, after] = [name.padEnd(20), `${percent.padStart(5)}  ${rest}`]
    const width = Math.min(BAR_WIDTH, room() - before.length - after.length - 2)
    if (width < BAR_WIDTH_MIN) return `${name} ${percent}, ${rest}`
    const filled = Math.round(share * width)
    return `${before} ${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${after}`
  }

  /** What comes now; said once where there is no terminal. */
  const stage = (next: string) => {
    name = next
    if (isTerminal) draw(name)
    else if (!told.has(name)) output.write(`${name}\n`)
    told.add(name)
  }

  const end = (events: number) => {
    const seconds = (performance.now() - startedAt) / 1000
    const summary = `${events} events in ${seconds.toFixed(1)} s (${perSecond(events, startedAt)}/s)`
    output.write(`${isTerminal ? CLEAR_LINE : ''}${name.padEnd(20)} ${summary}\n`)
  }
  return { show, stage, end }
}
