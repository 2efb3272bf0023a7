import type { Position } from './event-store.ts'

/** What is erased. */
export type Erased = {
  /** Ids of what is deleted: conversations and all that became part of them, contacts, addresses. */
  readonly owners: readonly string[]
  /** Their chats, if they are conversations. */
  readonly chats?: {
    readonly instanceId: string
    /** JIDs, as far as they can still be read. */
    readonly jids: readonly string[]
  }
  /** Where the log says that they are deleted, and when: what came later is not touched. */
  readonly position: Position
  readonly at: string
}

/** Takes away copies that are not made from the log, of all that is erased together. Interrupted, or done again, it does what is left. */
export type Scrub = (erased: readonly Erased[]) => Promise<void>
