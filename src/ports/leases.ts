/** A right that one node has at a time. */
export type Lease = {
  readonly name: string
  /** Rises with every new holder, so that what an earlier one still tries can be told apart and refused. */
  readonly term: number
  /** Aborts when the lease is lost, or has to be given back. */
  readonly signal: AbortSignal
}

/** A node as the others see it. */
export type Node = {
  readonly name: string
  /** Where the other nodes reach its HTTP server. */
  readonly url: string
}

/** Shares work between nodes: what has a name is done by one of them at a time. Every adapter passes `test/contracts/leases.ts`. */
export interface Leases {
  /**
   * Waits for the lease, does the work while this node holds it, and gives it back. Work that was interrupted, because
   * the lease was lost or it failed, is begun anew with the next lease; `hold` resolves once the work has come to an
   * end by itself, or after the signal. Work ends soon after the signal of its lease.
   */
  hold(name: string, work: (lease: Lease) => Promise<unknown>, signal: AbortSignal): Promise<void>
  /** The node that holds a lease now, if any does. */
  holderOf(name: string): Promise<Node | undefined>
}

/** What was asked for can be done only at the node that has the lease. Nothing was done. */
export class AtAnotherNode extends Error {
  override name = 'AtAnotherNode'
  readonly node: Node
  constructor(node: Node) {
    super(`at another node: ${node.name}`)
    this.node = node
  }
}
