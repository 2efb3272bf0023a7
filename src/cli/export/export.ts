import { START, type Position, type Recorded } from '../../ports/event-store.ts'
import { readLog, type LogReader } from '../../read-log.ts'
import { startProgress, type Output } from '../progress.ts'
import type { Write } from '../write.ts'
import { createChain, eventLine, eventText, headerText, type Scope } from './format.ts'
import { streamsOfConversation } from './related.ts'

type Options = {
  /** As it leaves its place (`plainLog`). */
  readonly log: LogReader
  readonly scope: Scope
  /** Version of this program. */
  readonly zapini: string
  readonly write: Write
  readonly output: Output
  readonly interrupted: AbortSignal
}
export type Exported = { readonly events: number; readonly checksum: string }

type Selects = (event: Recorded) => boolean

type Looking = Pick<Options, 'log' | 'output' | 'interrupted'>

/** The streams of a conversation, and of what comes with it, up to a place in the log. */
export const lookForConversation = async (
  { log, output, interrupted }: Looking,
  id: string,
  head: Position,
): Promise<ReadonlySet<string>> => {
  const looking = startProgress(output, 'looking')
  let read = 0
  const streams = await streamsOfConversation(log, id, head, (position, end, events) => {
    interrupted.throwIfAborted()
    looking.show(position, end, (read = events))
  })
  looking.end(read)
  return streams
}

const selectionOf = async (scope: Scope, looking: Looking, head: Position): Promise<Selects> => {
  switch (scope.kind) {
    case 'log':
      return () => true
    case 'tenant':
      return ({ meta }) => meta.tenant === scope.id
    case 'conversation': {
      const streams = await lookForConversation(looking, scope.id, head)
      return ({ stream }) => streams.has(stream)
    }
  }
}

/** Writes the events of a scope as lines of text, in the order of the log, up to where it ends now. */
export const exportLog = async (options: Options): Promise<Exported> => {
  const { log, scope, zapini, write, output, interrupted } = options
  const head = await log.head()
  const selects = await selectionOf(scope, options, head)
  const exporting = startProgress(output, 'exporting')
  const sign = createChain()
  let events = 0
  let checksum = ''
  for await (const batch of readLog(log, START, head)) {
    interrupted.throwIfAborted()
    const selected = batch.filter(selects)
    const lines: string[] = []
    const [first] = selected
    if (first && events === 0) {
      const header = headerText({ scope, at: new Date().toISOString(), zapini, firstEvent: first.id })
      sign(header)
      lines.push(header)
    }
    for (const event of selected) {
      const text = eventText(event)
      checksum = sign(text)
      lines.push(eventLine(checksum, text))
    }
    events += selected.length
    if (lines.length > 0) await write(`${lines.join('\n')}\n`)
    exporting.show(batch.at(-1)?.position ?? head, head, events)
  }
  if (events === 0) throw new Error('There is nothing to export: the log has no event of it.')
  await write(`${JSON.stringify({ events, checksum })}\n`)
  exporting.end(events)
  return { events, checksum }
}
