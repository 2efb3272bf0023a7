import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { streamOf } from '../domain/decider.ts'
import { Refusal } from '../domain/errors.ts'
import { assign, Instance } from '../domain/instance.ts'
import type { Gateway } from '../ports/gateway.ts'
import { AtAnotherNode, type Lease, type Leases, type Node } from '../ports/leases.ts'
import type { Load, Transact } from './transact.ts'

/** A session that is wanted has an owner a moment later: whoever just made the instance need not look for it. */
const OWNER_WAIT_MS = 3000
const LOOK_MS = 100

type Parts = {
  readonly load: Load
  readonly leases: Leases
  /** This one. */
  readonly node: Node
}

/** The lease of an instance has the name of its stream. */
export const leaseOf = (instanceId: string) => streamOf(Instance, instanceId)

/**
 * Makes the holder of the lease the owner of the session, in the log, and answers the term under which it is that:
 * from here on, earlier owners can report nothing any more. Throws CONFLICT if another one took over meanwhile.
 */
export const createClaim = ({ transact, load, leases, node }: Parts & { readonly transact: Transact }) => {
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

type Finding = Parts & {
  /** The gateway of an instance whose session is at this node. */
  readonly gatewayOf: (instanceId: string) => Gateway | undefined
}

/** Where the session of an instance is, for what can be done nowhere else. */
export const createOwners = ({ gatewayOf, leases, node, load }: Finding) => {
  const ownerOf = async (instanceId: string) =>
    gatewayOf(instanceId) ? node : leases.holderOf(leaseOf(instanceId))

  /** Throws AtAnotherNode if another node has the session now. */
  const mustNotBeElsewhere = async (instanceId: string): Promise<void> => {
    const owner = await ownerOf(instanceId)
    if (owner && owner.name !== node.name) throw new AtAnotherNode(owner)
  }

  /**
   * Throws AtAnotherNode if another node has the session, and UNAVAILABLE if none has it, for a moment already,
   * although it is wanted. Where it is not wanted, it is nowhere, and that is as good here as anywhere.
   */
  const mustBeHere = async (instanceId: string): Promise<void> => {
    for (const from = performance.now(); ; await sleep(LOOK_MS)) {
      const owner = await ownerOf(instanceId)
      if (owner?.name === node.name) return
      // Of one that was closed just now, others may have the lease for a moment: to find out.
      if (!(await load(Instance, instanceId)).state.wanted) return
      if (owner) throw new AtAnotherNode(owner)
      if (performance.now() - from > OWNER_WAIT_MS)
        throw new Refusal(
          'UNAVAILABLE',
          'No node has the connection of this instance at the moment. Try again in a few seconds.',
        )
    }
  }

  return { mustBeHere, mustNotBeElsewhere }
}
export type Owners = ReturnType<typeof createOwners>
