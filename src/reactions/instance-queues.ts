import type { Gateway } from '../ports/gateway.ts'

type Parts<Work> = {
  /** The gateway of an instance whose session is at this node. */
  readonly gatewayOf: (instanceId: string) => Gateway | undefined
  /** Must not fail. Answers false if the connection was lost: the others then wait for the next one. */
  readonly handle: (gateway: Gateway, instanceId: string, work: Work) => Promise<boolean>
}

/**
 * What is to be done at WhatsApp, one thing for each conversation: one after the other, while the instance is connected.
 * It is not stored, and gone when the session leaves this node.
 */
export const createInstanceQueues = <Work>({ gatewayOf, handle }: Parts<Work>) => {
  /** By instance and conversation, the oldest first. */
  const queues = new Map<string, Map<string, Work>>()
  const draining = new Set<string>()

  const queueOf = (instanceId: string): Map<string, Work> => {
    const queue = queues.get(instanceId) ?? new Map<string, Work>()
    queues.set(instanceId, queue)
    return queue
  }

  /** Works until nothing waits any more, or the connection is lost. */
  const drain = async (instanceId: string): Promise<void> => {
    if (draining.has(instanceId)) return
    draining.add(instanceId)
    try {
      for (;;) {
        const gateway = gatewayOf(instanceId)
        const [first] = queues.get(instanceId) ?? []
        if (!first || !gateway?.connected(instanceId)) return
        const [conversationId, work] = first
        queues.get(instanceId)?.delete(conversationId)
        if (!(await handle(gateway, instanceId, work))) return
      }
    } finally {
      draining.delete(instanceId)
    }
  }

  return {
    queueOf,
    drain,
    /** The session is no longer here. */
    forget: (instanceId: string) => void queues.delete(instanceId),
  }
}
