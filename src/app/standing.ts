import type { Metrics } from '../metrics.ts'
import type { Bus } from '../ports/bus.ts'
import type { EventStore } from '../ports/event-store.ts'
import type { createReadModels } from '../projections/read-models.ts'
import type { ReactionRunner } from '../reactions/runner.ts'
import type { Deliveries } from '../webhooks/deliveries.ts'

type Given = {
  readonly store: EventStore
  readonly bus: Bus
  readonly readModels: ReturnType<typeof createReadModels>
  readonly reactions: readonly ReactionRunner[]
  readonly deliveries: Deliveries
  readonly metrics: Metrics
  readonly isReady: () => boolean
}

const shown = <S extends { readonly position: bigint }>({ position, ...rest }: S) => ({
  ...rest,
  position: String(position),
})

/** How things stand, for people, probes and Prometheus. */
export const createStanding = ({
  store,
  bus,
  readModels,
  reactions,
  deliveries,
  metrics,
  isReady,
}: Given) => {
  const reactionStates = () => reactions.map((reaction) => reaction.status())

  /** A projection that has stopped, a reaction or a bus that fails, is shown, and holds up nothing else. */
  const standing = () => {
    const projections = readModels.status()
    const acting = reactionStates()
    const { lag, error } = bus.status()
    const isStopped =
      projections.some(({ state }) => state === 'stopped') ||
      [...acting, { error }].some((one) => one.error !== undefined)
    const status = !isReady() ? 'starting' : isStopped ? 'degraded' : 'ok'
    return {
      status,
      projections: projections.map(shown),
      reactions: acting.map(shown),
      bus: { lag, ...(error !== undefined && { error }) },
    }
  }

  const measure = async () => {
    for (const { name, state, position } of readModels.status()) {
      metrics.projectionState(name, state)
      metrics.projectionPosition(name, position)
    }
    for (const { name, position } of reactionStates()) metrics.projectionPosition(name, position)
    metrics.projectionPosition('log', await store.head())
    metrics.bus(bus.status())
    metrics.pendingDeliveries(await deliveries.pending())
  }

  return { standing, measure }
}
