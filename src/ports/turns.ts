/**
 * Runs tasks of one key one after the other, on whichever nodes they come; those of different keys beside each other.
 * A task takes no turn itself, and ends within bounded time. Who waits for long is refused with UNAVAILABLE, and the
 * task is not run. Every adapter passes `test/contracts/turns.ts`.
 */
export type Turns = <T>(key: string, task: () => Promise<T>) => Promise<T>
