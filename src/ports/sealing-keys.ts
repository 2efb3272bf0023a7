/** A key that personal fields of stored events are sealed with. It belongs to one owner: an aggregate's id. */
export type SealingKey = { readonly id: string; readonly owner: string; readonly secret: Buffer }

/** What is left of a key: that it was there. */
export const DESTROYED = 'destroyed'
export type KnownKey = SealingKey | typeof DESTROYED

/** Keys that something is being sealed with, by owner. */
export type KeysInUse = {
  readonly keys: ReadonlyMap<string, SealingKey>
  /** What was sealed with them is in the log, or will never be. */
  end(): void
}

/**
 * The keys of what is personal in the log, kept apart from it. An owner has one key in use; one that is retired still
 * opens what it sealed; one that is destroyed is gone, and with it everything that it sealed.
 */
export interface SealingKeys {
  /** The keys in use of some owners, made where there are none. They are durable before anything is sealed with them. */
  use(owners: readonly string[]): Promise<KeysInUse>
  /** A key of which is known by now, and on every node, that it still holds; undefined: it has to be looked for. */
  recall(id: string): KnownKey | undefined
  /** Keys by id, in use, retired or destroyed. One that is missing never was, or is lost. */
  find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownKey>>
  /**
   * Once this resolves, what this process seals with the keys in use of these owners is in the log, and nothing more
   * is sealed with them on any node; only an append that another node had under way for seconds may still arrive.
   * Answers the ids of all their keys that are not destroyed. `meanwhile` is done once they are retired, and before this
   * process seals anything with those that come after them.
   */
  retire(owners: readonly string[], meanwhile?: () => Promise<void>): Promise<readonly string[]>
  /** The ids of the keys of some owners that are retired. */
  retired(owners: readonly string[]): Promise<readonly string[]>
  /** Destroys retired keys for good, on every node. What they sealed reads as erased from then on. */
  destroy(ids: readonly string[]): Promise<void>
  /** Rises when a key is retired or destroyed, on whichever node: what was read before then may read otherwise. */
  changes(): number
  /** Takes down keys that were destroyed where events come from: what they sealed reads as erased here, too. */
  takeDestroyed(keys: readonly Omit<SealingKey, 'secret'>[]): Promise<void>
}
