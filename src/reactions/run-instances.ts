import { idOfStream } from '../domain/decider.ts'
import { Instance, type Provider } from '../domain/instance.ts'
import type { Recorded } from '../ports/event-store.ts'
import type { Gateway, GatewayListener } from '../ports/gateway.ts'
import type { Load } from '../write/transact.ts'

type InstanceRef = { readonly id: string; readonly tenantId: string }

type Parts = {
  readonly gateways: { readonly [P in Provider]: Gateway }
  readonly load: Load
  readonly listenerOf: (instance: InstanceRef) => GatewayListener
  readonly onError: (error: unknown) => void
}

/** Keeps the sessions that are open the same as those that are wanted. */
export const createInstanceRunner = ({ gateways, load, listenerOf, onError }: Parts) => {
  const running = new Map<string, Gateway>()
  /** Opening and closing of one instance, one after the other. */
  const lanes = new Map<string, Promise<void>>()

  /** `interrupted`: the session that was open is over, whatever is wanted by now. */
  const settle = async (instance: InstanceRef, interrupted: boolean) => {
    const { state } = await load(Instance, instance.id)
    const gateway = state.provider && gateways[state.provider]
    if (!gateway) return
    if (interrupted || !state.wanted) {
      await gateway.close(instance.id, { forget: !state.exists })
      running.delete(instance.id)
    }
    if (state.wanted) {
      running.set(instance.id, gateway)
      await gateway.open(instance.id, listenerOf(instance))
    }
  }

  /** Brings one instance to what is wanted of it now. */
  const follow = (instance: InstanceRef, interrupted = false) => {
    const before = lanes.get(instance.id) ?? Promise.resolve()
    const lane = before.then(() => settle(instance, interrupted)).catch(onError)
    lanes.set(instance.id, lane)
    void lane.then(() => lanes.get(instance.id) === lane && lanes.delete(instance.id))
    return lane
  }

  const each = ({ type, stream, meta }: Recorded) => {
    const instance = { id: idOfStream(stream), tenantId: meta.tenant }
    if (type === 'InstanceCreated' || type === 'InstanceOpened') void follow(instance)
    if (type === 'InstanceClosed' || type === 'InstanceDeleted') void follow(instance, true)
  }

  return { follow, each, gatewayOf: (instanceId: string) => running.get(instanceId) }
}
