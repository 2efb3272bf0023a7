import type { Json } from '../support/client.ts'
import type { Rules } from './compare.ts'
import type { World } from './prepared-world.ts'

/** What stands in the document, and what takes its place in the prepared world. */
export type Real = Readonly<Record<string, string>>

/** A call as the document shows it. */
export type Entry = Omit<Rules, 'exact'> & {
  /** As in the document's headings. */
  readonly call: string
  /** Of several examples of one call, what this one is about. */
  readonly title?: string
  /** Shown in the document, but not under a heading of its own. */
  readonly beside?: true
  /** Path and query of the example; the heading's if the document shows none. */
  readonly path?: string
  readonly body?: Json
  /** Fields of a form; `file` names the file that goes with it. */
  readonly form?: Readonly<Record<string, string>>
  readonly by?: keyof World['tokens']
  /** What in path and body is replaced by real things; made here if it has to be fresh. */
  readonly given?: (world: World) => Real | Promise<Real>
  /** 200 if left out: the document shows no statuses beside the examples. */
  readonly status?: number
  /** The documented answer, word for word. */
  readonly answer?: Json
  /** What is expected where the document shows no answer. */
  readonly assumed?: Json
  /** Of an answer that is not JSON. */
  readonly contentType?: string
  /** What is true after it. */
  readonly afterwards?: (
    world: World,
    made: { real: Real; body: Json; bytes: Buffer },
  ) => Promise<void> | void
  /** What the document leaves open, contradicts, or means. */
  readonly note?: string
}
