import { EventEmitter, once } from 'node:events'
import { idOfStream } from '../domain/decider.ts'
import { Instance } from '../domain/instance.ts'
import type { Recorded } from '../ports/event-store.ts'
import type { Gateway, GatewayListener, Gateways } from '../ports/gateway.ts'
import type { Lease, Leases } from '../ports/leases.ts'
import { leaseOf, type Claim } from '../write/owners.ts'
import type { Load } from '../write/transact.ts'

type InstanceRef = { readonly id: string; readonly tenantId: string }

type Parts = {
  readonly gateways: Gateways
  readonly leases: Leases
  readonly load: Load
  readonly claim: Claim
  /** `term`: that of the session. */
  readonly listenerOf: (session: InstanceRef & { readonly term: number }) => GatewayListener
  /** This node does not have the session any more. */
  readonly onEnded: (instanceId: string) => void
}

/**
 * Keeps the sessions that are open the same as those that are wanted. Every node that runs this is a candidate for the
 * lease of every instance that is wanted; the session is open exactly while the node holds the lease.
 */
export const createInstanceRunner = (parts: Parts) => {
  const { gateways, leases, load, claim, listenerOf, onEnded } = parts
  /** What this node holds the lease of, or waits for. */
  const candidacies = new Map<string, { readonly news: News; readonly ended: Promise<void> }>()
  const sessions = new Map<
    string,
    { readonly gateway: Gateway; readonly lease: Lease; readonly term: number }
  >()

  /** The work of a lease: opens and closes the session as is wanted, until it is wanted no more or the lease is lost. */
  const runSession = async (instance: InstanceRef, news: News, lease: Lease) => {
    const { id } = instance
    let term: number | undefined
    let gateway: Gateway | undefined
    // At once, also while the work waits for something else: another node may open the session any moment.
    const close = () => void gateway?.close(id, { forget: false }).catch(() => undefined)
    lease.signal.addEventListener('abort', close, { once: true })
    news.tell(false)
    try {
      while (await news.came(lease.signal)) {
        const isInterrupted = news.take()
        const { state } = await load(Instance, id)
        gateway = state.provider && gateways[state.provider]
        if (isInterrupted || !state.wanted) await gateway?.close(id, { forget: !state.exists })
        if (!state.wanted || !gateway) return
        term ??= await claim(instance, lease)
        sessions.set(id, { gateway, lease, term })
        if (!lease.signal.aborted) {
          const { importsPast = false } = state
          await gateway.open({ instanceId: id, term, importsPast }, listenerOf({ ...instance, term }))
        }
      }
    } finally {
      lease.signal.removeEventListener('abort', close)
      sessions.delete(id)
      onEnded(id)
      // The phone stays paired: another node goes on with it.
      await gateway?.close(id, { forget: false })
    }
  }

  const stand = async (instance: InstanceRef, news: News, signal: AbortSignal) => {
    const work = (lease: Lease) => runSession(instance, news, lease)
    // What came while the lease was given back has nobody else to hear it.
    do await leases.hold(leaseOf(instance.id), work, signal)
    while (news.isThere() && !signal.aborted)
    candidacies.delete(instance.id)
  }

  /** Brings one instance to what is wanted of it now. `isInterrupted`: a session that is open is over, whatever is. */
  const follow = (instance: InstanceRef, isInterrupted: boolean, signal: AbortSignal) => {
    const known = candidacies.get(instance.id)
    if (known) return known.news.tell(isInterrupted)
    const news = createNews()
    candidacies.set(instance.id, { news, ended: stand(instance, news, signal) })
  }

  /** Leaves nothing of the session of an instance, if the log says that it was deleted. */
  const forget = async (id: string, signal: AbortSignal) => {
    if (candidacies.has(id)) return
    const { exists, provider } = (await load(Instance, id)).state
    const gateway = provider && gateways[provider]
    if (exists || !gateway) return
    const forgotten = leases.hold(leaseOf(id), () => gateway.close(id, { forget: true }), signal)
    candidacies.set(id, { news: createNews(), ended: forgotten.finally(() => candidacies.delete(id)) })
  }

  /** The session of an instance that this node has. */
  const sessionOf = (instanceId: string) => {
    const session = sessions.get(instanceId)
    return session?.lease.signal.aborted ? undefined : session
  }

  return {
    /** Looks at how things stand: those that are wanted, and those that were. */
    begin: (wanted: readonly InstanceRef[], signal: AbortSignal) => {
      for (const { news } of candidacies.values()) news.tell(false)
      for (const instance of wanted) follow(instance, false, signal)
    },
    /** Instances that may have been deleted while no node was there to hear of it. */
    forget: async (ids: readonly string[], signal: AbortSignal) => {
      await Promise.all(ids.map((id) => forget(id, signal)))
    },
    each: ({ type, stream, meta }: Recorded, signal: AbortSignal) => {
      const instance = { id: idOfStream(stream), tenantId: meta.tenant }
      if (type === 'InstanceCreated' || type === 'InstanceOpened') follow(instance, false, signal)
      if (type === 'InstanceClosed' || type === 'InstanceDeleted') follow(instance, true, signal)
    },
    /** Resolves after the signal, once every session is closed and every lease given back. */
    ended: () => Promise.all([...candidacies.values()].map(({ ended }) => ended)),
    /** The gateway of an instance whose session is here. */
    gatewayOf: (instanceId: string): Gateway | undefined => sessionOf(instanceId)?.gateway,
    /** Whether the session is here, and the log knows of nobody who took over since. */
    isOwner: async (instanceId: string): Promise<boolean> => {
      const { state } = await load(Instance, instanceId)
      return state.term === sessionOf(instanceId)?.term
    },
  }
}

/** Tells whoever works on an instance that it is not as it was. */
const createNews = () => {
  const heard = new EventEmitter()
  let isNew = false
  let isInterrupted = false
  return {
    tell: (interrupted: boolean) => {
      isNew = true
      isInterrupted ||= interrupted
      heard.emit('news')
    },
    isThere: () => isNew,
    /** Resolves true once there is something, false at the signal. */
    came: async (signal: AbortSignal): Promise<boolean> => {
      if (!isNew && !signal.aborted) await once(heard, 'news', { signal }).catch(() => undefined)
      return !signal.aborted
    },
    /** Answers whether an open session is over. */
    take: (): boolean => {
      const wasInterrupted = isInterrupted
      isNew = isInterrupted = false
      return wasInterrupted
    },
  }
}
type News = ReturnType<typeof createNews>
