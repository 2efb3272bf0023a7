import { START, type Position } from '../ports/event-store.ts'

export type ProjectionState = {
  readonly name: string
  /** `starting` until whoever keeps the table has been heard of. */
  readonly state: 'starting' | 'running' | 'stopped'
  /** Everything up to here is in the table. */
  readonly position: Position
  /** Why it stopped, for people. */
  readonly error?: string
}

/** What the keeper of a table says of it. */
export type Told = {
  readonly position: Position
  /** Position of the last event that changed a row. */
  readonly changed: Position
  /** Why it has stopped. */
  readonly error?: string
}

type Options = {
  readonly name: string
  /** Rows have changed: what is remembered of them is out of date. */
  readonly onChanged?: () => void
  /** There is something to tell the other nodes. */
  readonly onMoved?: () => void
  /** Somebody here waits for more than the table knows. */
  readonly onWanted?: () => void
}

/**
 * The mark of a read model: up to where its table knows everything, whoever keeps it, and who waits for more. The
 * runner moves it on the node that keeps the table; on the others it moves as they are told.
 */
export const createMark = ({
  name,
  onChanged = () => {},
  onMoved = () => {},
  onWanted = () => {},
}: Options) => {
  let present: ProjectionState = { name, state: 'starting', position: START }
  let changed: Position = START
  let wantedElsewhere: Position = START
  let waiters: { readonly position: Position; resolve(): void }[] = []
  let endRest = () => {}

  const put = (next: ProjectionState) => {
    present = next
    if (waiters.length === 0) return
    const ready = waiters.filter(({ position }) => position <= next.position)
    waiters = waiters.filter(({ position }) => position > next.position)
    for (const { resolve } of ready) resolve()
  }

  /** Before anybody is told that the table knows more. */
  const noteChange = (position: Position) => {
    if (position === changed) return
    changed = position
    onChanged()
  }

  const isWanted = () => waiters.length > 0 || wantedElsewhere > present.position

  return {
    name,
    state: () => present,

    /** The table knows everything up to here, and its rows have changed or not. For its keeper. */
    moveTo(position: Position, hasChanged: boolean) {
      if (hasChanged) {
        changed = position
        onChanged()
      }
      put({ name, state: 'running', position })
      onMoved()
    },
    /** For its keeper. */
    stop(error: string) {
      present = { ...present, state: 'stopped', error }
      onMoved()
    },
    told: (): Told => {
      const { position, error } = present
      return { position, changed, ...(error !== undefined && { error }) }
    },

    /** What its keeper on another node told. */
    hear({ position, error, ...last }: Told) {
      noteChange(last.changed)
      put({
        name,
        state: error === undefined ? 'running' : 'stopped',
        position,
        ...(error !== undefined && { error }),
      })
    },
    /** The table was seen to know so much, whatever was told or not. */
    see(position: Position) {
      if (position <= present.position) return
      noteChange(position)
      put({ ...present, position })
    },
    /** Whatever is remembered of the rows may be out of date. */
    forget: onChanged,

    /** Resolves true once the table knows everything up to a position, false after the time-out or when stopped. */
    reached(position: Position, timeoutMs: number): Promise<boolean> {
      if (position <= present.position) return Promise.resolve(true)
      if (present.state === 'stopped') return Promise.resolve(false)
      return new Promise((resolve) => {
        const waiter = { position, resolve: () => (clearTimeout(timer), resolve(true)) }
        const timer = setTimeout(() => {
          waiters = waiters.filter((other) => other !== waiter)
          resolve(false)
        }, timeoutMs)
        waiters.push(waiter)
        endRest()
        onWanted()
      })
    },
    /** The highest position that somebody here waits for. */
    wanted: (): Position | undefined =>
      waiters.reduce<Position | undefined>(
        (highest, { position }) => (highest === undefined || position > highest ? position : highest),
        undefined,
      ),
    /** Somebody on another node waits for a position. Its keeper says that it is there, or hurries. */
    want(position: Position) {
      if (present.state === 'starting') return
      if (position <= present.position || present.state === 'stopped') return onMoved()
      if (position > wantedElsewhere) wantedElsewhere = position
      endRest()
    },
    /** Resolves after a time, as soon as somebody waits, or at the signal. */
    rest: (ms: number, signal: AbortSignal) =>
      new Promise<void>((done) => {
        if (isWanted() || signal.aborted) return done()
        const end = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', end)
          done()
        }
        const timer = setTimeout(end, ms)
        signal.addEventListener('abort', end)
        endRest = end
      }),
  }
}
export type Mark = ReturnType<typeof createMark>
