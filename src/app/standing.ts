import type { Metrics } from '../metrics.ts'
import type { EventStore } from '../ports/event-store.ts'
import type { Node } from '../ports/leases.ts'
import type { ReadModels } from '../projections/read-models.ts'
import type { ReactionRunner } from '../reactions/runner.ts'
import type { Role } from '../roles.ts'
import type { Deliveries } from '../webhooks/deliveries.ts'

type Given = {
  readonly store: EventStore
  readonly readModels: ReadModels
  readonly reactions: readonly ReactionRunner[]
  readonly deliveries: Deliveries
  readonly metrics: Metrics
  readonly node: Node
  readonly roles: readonly Role[]
  /** Names of the leases that this node works under. */
  readonly holding: () => readonly string[]
  readonly isReady: () => boolean
}

const shown = <S extends { readonly position: bigint }>({ position, ...rest }: S) => ({
  ...rest,
  position: String(position),
})

/** Leases of single instances are counted, not named: there may be hundreds. */
const INSTANCE = /^instance-/

/** How things stand, for people, probes and Prometheus. */
export const createStanding = (given: Given) => {
  const { store, readModels, reactions, deliveries, metrics, node, roles, holding, isReady } = given
  /** Of those that are at work here; what the others do, other nodes say. */
  const reactionStates = () => {
    const held = new Set(holding())
    return reactions.filter(({ name }) => held.has(name)).map((reaction) => reaction.status())
  }
  const leases = () => holding().filter((name) => !INSTANCE.test(name))
  const instances = () => holding().filter((name) => INSTANCE.test(name)).length

  /** A projection that has stopped, or a reaction that fails, is shown, and holds up nothing else. */
  const standing = () => {
    const projections = readModels.status()
    const acting = reactionStates()
    const isStopped =
      projections.some(({ state }) => state === 'stopped') || acting.some(({ error }) => error !== undefined)
    const status = !isReady() ? 'starting' : isStopped ? 'degraded' : 'ok'
    return {
      status,
      node: { name: node.name, roles, leases: leases().toSorted(), instances: instances() },
      projections: projections.map(shown),
      reactions: acting.map(shown),
    }
  }

  const measure = async () => {
    for (const { name, state, position } of readModels.status()) {
      metrics.projectionState(name, state)
      metrics.projectionPosition(name, position)
    }
    for (const { name } of reactions) metrics.forgetPosition(name)
    for (const { name, position } of reactionStates()) metrics.projectionPosition(name, position)
    metrics.leasesHeld({ ...Object.fromEntries(leases().map((name) => [name, 1])), instance: instances() })
    metrics.projectionPosition('log', await store.head())
    metrics.pendingDeliveries(await deliveries.pending())
  }

  return { standing, measure }
}
