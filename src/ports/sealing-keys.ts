/** A key that personal fields of stored events are sealed with. It belongs to one owner: an aggregate's id. */
export type SealingKey = { readonly id: string; readonly owner: string; readonly secret: Buffer }

/**
 * The keys of what is personal in the log, kept apart from it. An owner has one key in use; one that is retired still
 * opens what it sealed; one that is destroyed is gone, and with it everything that it sealed.
 */
export interface SealingKeys {
  /** The keys in use of some owners, made where there are none. They are durable before anything is sealed with them. */
  inUse(owners: readonly string[]): Promise<ReadonlyMap<string, SealingKey>>
  /** Keys by id, in use or retired; those that are destroyed are missing. */
  find(ids: readonly string[]): Promise<ReadonlyMap<string, SealingKey>>
  /** Nothing more is sealed with the keys in use of these owners, on any node, once this resolves. Answers all their keys' ids. */
  retire(owners: readonly string[]): Promise<readonly string[]>
  /** Destroys retired keys for good, on every node. What they sealed reads as erased from then on. */
  destroy(ids: readonly string[]): Promise<void>
}
