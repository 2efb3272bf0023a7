import { randomUUID } from 'node:crypto'
import { streamOf } from '../domain/decider.ts'
import { assign, Instance } from '../domain/instance.ts'
import type { Lease, Leases, Node } from '../ports/leases.ts'
import type { Load, Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly leases: Leases
  readonly node: Node
}

/** The lease of an instance has the name of its stream. */
export const leaseOf = (instanceId: string) => streamOf(Instance, instanceId)

/**
 * Makes the holder of the lease the owner of the session, in the log, and answers the term under which it is that:
 * from here on, earlier owners can report nothing any more. Throws CONFLICT if another one took over meanwhile.
 */
export const createClaim = ({ transact, load, leases, node }: Parts) => {
  /** Leases may have been counted from 1 again since, on a new database: then the log counts on. */
  const termOf = async (instanceId: string, lease: Lease): Promise<number> => {
    const { state } = await load(Instance, instanceId)
    const isCountedAnew = lease.term < state.term || (lease.term === state.term && isOfAnother(state))
    if (!isCountedAnew) return lease.term
    // Asked after the log: a holder that was overtaken finds here who did it, or in `assign`.
    const holder = await leases.holderOf(lease.name)
    return holder?.name === node.name ? state.term + 1 : lease.term
  }
  const isOfAnother = ({ owner = node.name }: Instance) => owner !== node.name

  return async (instance: { readonly id: string; readonly tenantId: string }, lease: Lease) => {
    const term = await termOf(instance.id, lease)
    await transact(Instance, instance.id, assign(node.name, term, new Date().toISOString()), {
      tenant: instance.tenantId,
      actor: { kind: 'system' },
      correlation: randomUUID(),
    })
    return term
  }
}
export type Claim = ReturnType<typeof createClaim>
