import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Proposed } from './log.ts'

/** One write: the events of one append, or a tombstone. */
export type Line = {
  readonly stream: string
  readonly events: readonly Proposed[]
  /** Milliseconds since 1970. */
  readonly created: number
  readonly tombstone?: boolean
}

type Text = Omit<Line, 'events'> & {
  readonly events: readonly (Omit<Proposed, 'data' | 'metadata'> & { data: string; metadata: string })[]
}

const textOf = ({ events, ...line }: Line): string => {
  const text: Text = {
    ...line,
    events: events.map(({ data, metadata, ...event }) => ({
      ...event,
      data: data.toString('base64'),
      metadata: metadata.toString('base64'),
    })),
  }
  return `${JSON.stringify(text)}\n`
}

const lineOf = (text: string): Line => {
  const { events, ...line } = JSON.parse(text) as Text
  return {
    ...line,
    events: events.map(({ data, metadata, ...event }) => ({
      ...event,
      data: Buffer.from(data, 'base64'),
      metadata: Buffer.from(metadata, 'base64'),
    })),
  }
}

/**
 * A file of one line for each write. A line outlives the process as soon as it is added, though not the machine; one
 * that a kill cut short was not acknowledged and is dropped.
 */
export const openLogFile = (directory: string, take: (line: Line) => void) => {
  mkdirSync(directory, { recursive: true })
  const file = openSync(join(directory, 'log.jsonl'), 'a+')
  const text = readFileSync(file, 'utf8')
  const whole = text.lastIndexOf('\n') + 1
  ftruncateSync(file, Buffer.byteLength(text.slice(0, whole)))
  for (const line of text.slice(0, whole).split('\n')) if (line !== '') take(lineOf(line))
  return {
    add: (line: Line) => void writeSync(file, textOf(line)),
    close: () => closeSync(file),
  }
}
