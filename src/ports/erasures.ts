/**
 * Tells everybody, on every node, that something was erased: whoever remembers what was read from the log has to read it
 * again.
 */
export interface Erasures {
  /** To be called once the log reads as erased. */
  tell(): Promise<void>
  /** Rises with each erasure. */
  count(): Promise<bigint>
}
