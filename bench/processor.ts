import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** USER_HZ, which Linux fixes at 100 for /proc (proc(5), stat). */
const TICKS_PER_SECOND = 100
const QUIET_SHARE = 0.12
const LOOK_MS = 250

/** Processor time in seconds since boot: of this process, of its children, of the database, of the whole machine. */
export type Usage = {
  readonly bench: number
  readonly program: number
  readonly postgres: number
  readonly busy: number
  readonly all: number
}

type Process = { readonly parent: number; readonly ticks: number; readonly reapedTicks: number }

const processes = (): Map<number, Process> => {
  const found = new Map<number, Process>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const line = readFileSync(`/proc/${name}/stat`, 'utf8')
      // The second field is the command in parentheses, which may itself hold spaces and parentheses.
      const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
      const number = (index: number) => Number(fields[index])
      found.set(Number(name), {
        parent: number(1),
        ticks: number(11) + number(12),
        reapedTicks: number(13) + number(14),
      })
    } catch {
      // It has ended since.
    }
  }
  return found
}

const machine = () => {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number)
  const all = ticks.reduce((sum, value) => sum + value, 0)
  const [, , , idle = 0, waiting = 0] = ticks
  return { all, busy: all - idle - waiting }
}

/** Reads /proc. `postgresPid` is the database server, wherever in the tree it is. */
export const usage = (postgresPid: number): Usage => {
  const known = processes()
  const sums = { bench: 0, program: 0, postgres: 0 }
  const ownerOf = (pid: number): keyof typeof sums | undefined => {
    if (pid === postgresPid) return 'postgres'
    if (pid === process.pid) return 'bench'
    const parent = known.get(pid)?.parent ?? 0
    if (parent <= 1) return undefined
    const owner = ownerOf(parent)
    return owner === 'bench' ? 'program' : owner
  }
  for (const [pid, { ticks, reapedTicks }] of known) {
    const owner = ownerOf(pid)
    if (owner) sums[owner] += ticks + (pid === postgresPid ? reapedTicks : 0)
    // Programs that have ended.
    if (owner === 'bench') sums.program += reapedTicks
  }
  const { all, busy } = machine()
  const seconds = (ticks: number) => ticks / TICKS_PER_SECOND
  return {
    bench: seconds(sums.bench),
    program: seconds(sums.program),
    postgres: seconds(sums.postgres),
    busy: seconds(busy),
    all: seconds(all),
  }
}

export const spent = (before: Usage, after: Usage): Usage => ({
  bench: after.bench - before.bench,
  program: after.program - before.program,
  postgres: after.postgres - before.postgres,
  busy: after.busy - before.busy,
  all: after.all - before.all,
})

/** Waits, no longer than `maxMs`, until others leave the machine alone. */
export const waitForQuiet = async (maxMs: number): Promise<void> => {
  const end = performance.now() + maxMs
  for (;;) {
    const before = machine()
    await sleep(LOOK_MS)
    const after = machine()
    const busyShare = (after.busy - before.busy) / Math.max(1, after.all - before.all)
    if (busyShare < QUIET_SHARE || performance.now() > end) return
  }
}
