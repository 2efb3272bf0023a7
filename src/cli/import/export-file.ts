import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Position, Recorded } from '../../ports/event-store.ts'
import type { LogReader } from '../../read-log.ts'
import { createChain, partsOfLine, type ExportedEvent, type Header } from '../export/format.ts'
import { createRevisionCheck } from '../revisions.ts'
import { checkEvent, readEnd, readHeader } from './check.ts'
import { linesOf } from './lines.ts'

/** An export that is open for reading, as often as it takes. */
export type ExportFile = {
  /** What it is called towards people. */
  readonly name: string
  readonly file: FileHandle
}

/** The file is not the export that was written. */
class Damaged extends Error {
  override name = 'Damaged'
}
const damaged = ({ name }: ExportFile, line: number, what: string) =>
  new Damaged(`Line ${line} of ${name} ${what}.`)

type EventLine = { readonly line: number; readonly text: string }
type Lines = { readonly events: readonly EventLine[]; readonly bytes: number }

/**
 * The events of an export as text, checked against their checksums from the first line to the last. Returns the
 * checksum that it ends with.
 */
async function* eventLinesOf(source: ExportFile): AsyncGenerator<Lines, string> {
  const sign = createChain()
  let line = 0
  let checksum = ''
  let isOver = false

  const readLine = (content: string): EventLine[] => {
    line++
    if (isOver) throw damaged(source, line, 'comes after the last one')
    if (content.endsWith('\r'))
      throw damaged(source, line, 'ends as lines do on Windows: something has changed the ends of its lines')
    if (line === 1) {
      const header = readHeader(content)
      if (typeof header === 'string') throw damaged(source, line, header)
      sign(content)
      return []
    }
    const parts = partsOfLine(content)
    if (parts) {
      checksum = sign(parts.text)
      if (parts.checksum === checksum) return [{ line, text: parts.text }]
      throw damaged(
        source,
        line,
        'does not have the checksum that follows from those before it: it was changed or moved',
      )
    }
    const end = readEnd(content)
    if (!end) throw damaged(source, line, 'is neither an event nor the end: it was changed or cut off')
    if (end.events !== line - 2 || end.checksum !== checksum)
      throw damaged(source, line, `ends ${end.events} events, but ${line - 2} come before it`)
    isOver = true
    return []
  }

  for await (const { lines, bytes } of linesOf(source.file)) yield { events: lines.flatMap(readLine), bytes }
  if (isOver) return checksum
  throw new Damaged(`${source.name} ends after line ${line} without saying so: it was cut off.`)
}

export type Checked = { readonly header: Header; readonly events: number; readonly checksum: string }

/** Reads an export from end to end; throws Damaged unless all of it is whole and can be read by this program. */
export const checkExport = async (
  source: ExportFile,
  onProgress: (bytes: bigint, size: bigint, events: number) => void,
): Promise<Checked> => {
  const { size } = await source.file.stat()
  const header = await headerOf(source)
  const all = eventLinesOf(source)
  const revisions = createRevisionCheck()
  let events = 0
  for (;;) {
    const { value, done } = await all.next()
    if (done) return { header, events, checksum: value }
    for (const { line, text } of value.events) {
      try {
        const { stream, revision } = checkEvent(text)
        const wrong = revisions.check(stream, revision)
        if (wrong !== undefined) throw new Error(`${wrong} (${stream}, revision ${revision})`)
      } catch (error) {
        throw damaged(source, line, error instanceof Error ? error.message : String(error))
      }
      events++
    }
    onProgress(BigInt(value.bytes), BigInt(size), events)
  }
}

const headerOf = async (source: ExportFile): Promise<Header> => {
  for await (const { lines } of linesOf(source.file)) {
    const header = readHeader(lines[0] ?? '')
    if (typeof header !== 'string') return header
    throw damaged(source, 1, header)
  }
  throw new Damaged(`${source.name} is empty.`)
}

/** An export as the log that it was taken from: the place of an event is its number in it. */
export const exportedLog = (source: ExportFile, { events: count, checksum }: Checked): LogReader => ({
  head: () => Promise.resolve(BigInt(count)),
  async *subscribeToAll(after) {
    let position: Position = 0n
    const all = eventLinesOf(source)
    for (;;) {
      const { value, done } = await all.next()
      if (done) {
        if (value !== checksum) throw new Damaged(`${source.name} was changed meanwhile.`)
        return
      }
      const batch: Recorded[] = []
      for (const { text } of value.events)
        if (++position > after) batch.push({ ...(JSON.parse(text) as ExportedEvent), position })
      if (batch.length > 0) yield batch
    }
  },
})

/** Takes down what comes in, into a file that has no name any more: also after a kill, nobody finds it. */
const spool = async (input: Readable): Promise<FileHandle> => {
  const folder = await mkdtemp(join(tmpdir(), 'zapini-import-'))
  const file = await open(join(folder, 'export'), 'wx+', 0o600)
  await rm(folder, { recursive: true })
  // Not by a stream of the file's own: the file could then not be closed.
  await pipeline(input, async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) await file.appendFile(chunk)
  })
  return file
}

/** Opens the file of a path, or what comes from standard input for `-`. What is no file can be read only once. */
export const openExport = async (path: string, input: Readable): Promise<ExportFile> => {
  if (path === '-') return { name: 'standard input', file: await spool(input) }
  const file = await open(path, 'r')
  const isFile = (await file.stat()).isFile()
  return { name: path, file: isFile ? file : await spool(file.createReadStream()) }
}
