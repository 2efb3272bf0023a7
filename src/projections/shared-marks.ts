import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { START, type Position } from '../ports/event-store.ts'
import { readCheckpoints } from './checkpoint.ts'
import type { Mark } from './mark.ts'

/** Channels of the database. */
const TOLD = 'zapini_marks_told'
const WANTED = 'zapini_marks_wanted'
/** What moves, or is wanted, within this time is told together. */
const GATHER_MS = 4
/** The checkpoints are looked at this often, in case a notification got lost. */
const POLL_MS = 1000
const RETRY_MS = 500
/** In one notification, which may have 8000 bytes. */
const MARKS_MAX = 8
const ERROR_MAX = 150

/** A mark, and the version of the projection that makes its table. */
type Versioned = { readonly mark: Mark; readonly version: number }
type ToldLine = readonly [name: string, version: number, position: string, changed: string, error?: string]
type WantedLine = readonly [name: string, version: number, position: string]
type Message<Line> = { readonly from: string; readonly lines: readonly Line[] }

type Options = {
  readonly pool: Pool
  readonly marks: readonly Versioned[]
  /** Whether the tables are kept here: then nobody else knows better. */
  readonly isKeeper: () => boolean
  readonly onError: (error: unknown) => void
}

/**
 * Marks that move on all nodes although one node keeps the tables. The keeper tells how far they are, by notification;
 * the others tell what they wait for, which shortens its rests, and look at the checkpoints now and then.
 */
export const shareMarks = ({ pool, marks, isKeeper, onError }: Options) => {
  const self = randomUUID()
  const byName = new Map(marks.map((versioned) => [versioned.mark.name, versioned]))
  const find = (name: string, version: number) => {
    const found = byName.get(name)
    return found?.version === version ? found.mark : undefined
  }
  let isOn = false
  let moved = new Set<Versioned>()

  const notify = async (channel: string, lines: readonly (ToldLine | WantedLine)[]) => {
    const messages: string[] = []
    for (let n = 0; n < lines.length; n += MARKS_MAX)
      messages.push(JSON.stringify({ from: self, lines: lines.slice(n, n + MARKS_MAX) }))
    if (messages.length === 0) return
    const text = 'select pg_notify($1, message) from unnest($2::text[]) message'
    await pool.query({ name: 'notify', text, values: [channel, messages] })
  }

  const tellMoved = async () => {
    const batch = moved
    moved = new Set()
    const lines = [...batch].map(({ mark, version }): ToldLine => {
      const { position, changed, error } = mark.told()
      const told = [mark.name, version, String(position), String(changed)] as const
      return error === undefined ? told : [...told, error.slice(0, ERROR_MAX)]
    })
    await notify(TOLD, lines)
  }

  const askFor = (wanted: readonly Versioned[], positionOf: (mark: Mark) => Position) =>
    notify(
      WANTED,
      wanted.map(({ mark, version }): WantedLine => [mark.name, version, String(positionOf(mark))]),
    )
  /** Also of those that nobody told of yet: the keeper may not have heard the question. */
  const askForWanted = () =>
    askFor(
      marks.filter(({ mark }) => mark.wanted() !== undefined || mark.state().state === 'starting'),
      (mark) => mark.wanted() ?? START,
    )

  const tell = gathering(tellMoved, onError)
  const ask = gathering(askForWanted, onError)

  /** Of a table that is kept here. */
  const onMoved = (mark: Mark) => {
    const versioned = byName.get(mark.name)
    if (!isOn || !isKeeper() || !versioned) return
    moved.add(versioned)
    tell()
  }
  const onWanted = () => {
    if (isOn && !isKeeper()) ask()
  }

  const hearTold = ({ from, lines }: Message<ToldLine>) => {
    if (from === self || isKeeper()) return
    for (const [name, version, position, changed, error] of lines)
      find(name, version)?.hear({
        position: BigInt(position),
        changed: BigInt(changed),
        ...(error !== undefined && { error }),
      })
  }
  const hearWanted = ({ from, lines }: Message<WantedLine>) => {
    if (from === self || !isKeeper()) return
    for (const [name, version, position] of lines) find(name, version)?.want(BigInt(position))
  }
  const hear = (channel: string, payload: string) => {
    try {
      if (channel === TOLD) hearTold(JSON.parse(payload) as Message<ToldLine>)
      if (channel === WANTED) hearWanted(JSON.parse(payload) as Message<WantedLine>)
    } catch (error) {
      onError(error)
    }
  }

  const look = async () => {
    if (isKeeper()) return
    const wanted = marks.map(({ mark, version }) => ({ name: mark.name, version }))
    const positions = await readCheckpoints(pool, wanted)
    // The lease may have been got meanwhile.
    if (isKeeper()) return
    for (const { mark } of marks) mark.see(positions.get(mark.name) ?? START)
    await askForWanted()
  }

  const poll = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      await look().catch(onError)
      await sleep(POLL_MS, undefined, { signal }).catch(() => {})
    }
  }

  /** Something may have been told, or asked, that was not heard. */
  const catchUp = async () => {
    for (const { mark } of marks) {
      mark.forget()
      mark.want(START)
    }
    await look()
    if (!isKeeper()) await askFor(marks, () => START)
  }

  const listen = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      let client: PoolClient | undefined
      try {
        client = await pool.connect()
        // What follows fails with it.
        client.on('error', () => {})
        client.on('notification', ({ channel, payload = '' }) => hear(channel, payload))
        await client.query(`listen ${TOLD}; listen ${WANTED}`)
        await Promise.all([catchUp(), once(client, 'end', { signal })])
      } catch (error) {
        if (!signal.aborted) onError(error)
      }
      client?.release(true)
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {})
    }
  }

  const run = async (signal: AbortSignal) => {
    isOn = true
    await Promise.all([listen(signal), poll(signal)])
    isOn = false
  }

  return { onMoved, onWanted, run }
}

/** Does something at once, and for whoever asks meanwhile once more a little later. */
const gathering = (send: () => Promise<void>, onError: (error: unknown) => void) => {
  let isAsked = false
  let isBusy = false
  const sendAll = async () => {
    isBusy = true
    while (isAsked) {
      isAsked = false
      await send().catch(onError)
      await sleep(GATHER_MS)
    }
    isBusy = false
  }
  return () => {
    isAsked = true
    if (!isBusy) void sendAll()
  }
}
