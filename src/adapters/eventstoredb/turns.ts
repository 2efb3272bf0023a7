/** Runs tasks of one key one after the other, those of different keys beside each other. */
export const createTurns = () => {
  /** The last task of each key: the next one waits for it. */
  const turns = new Map<string, Promise<unknown>>()
  return async <T>(key: string, task: () => Promise<T>): Promise<T> => {
    const own = turns.get(key)?.then(task, task) ?? task()
    turns.set(key, own)
    try {
      return await own
    } finally {
      if (turns.get(key) === own) turns.delete(key)
    }
  }
}
