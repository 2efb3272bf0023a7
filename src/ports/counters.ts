/** What was counted of a key in its present window. */
export type Count = { readonly count: number; readonly msToReset: number }

/** Counts by key; the window of a key begins with the first that is counted, and the next one after it ended. */
export type Counter = {
  /** Counts one more. Answers within a bounded time or rejects. */
  readonly add: (key: string) => Promise<Count>
  /** Takes one back. */
  readonly takeBack: (key: string) => Promise<void>
}

/** Counters by name, each the same one on all nodes. Every adapter passes `test/contracts/counters.ts`. */
export type Counters = (name: string, windowSeconds: number) => Counter
