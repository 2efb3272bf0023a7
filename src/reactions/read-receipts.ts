import { idOfStream } from '../domain/decider.ts'
import type { Position } from '../ports/event-store.ts'
import type { Gateway, MessageAddress } from '../ports/gateway.ts'
import type { RecordedOf } from '../projections/projection.ts'
import { createInstanceQueues } from './instance-queues.ts'
import { isUnreachable } from './unreachable.ts'

/** Messages of one conversation that are shown as read at once, the newest. */
const MESSAGES_MAX = 200
/** Conversations of an instance that wait for its connection; of more, the oldest are left out. */
const CONVERSATIONS_MAX = 1000

/** A conversation was read: what came in after one number, and up to another. */
type Span = {
  readonly conversationId: string
  readonly after: number
  readonly upTo: number
  /** Where the log says so. */
  readonly position: Position
}

type Parts = {
  /** The gateway of an instance whose session is at this node. */
  readonly gatewayOf: (instanceId: string) => Gateway | undefined
  /** The newest messages of a span that others wrote, from a read model that knows everything up to its position. */
  readonly messagesIn: (
    span: Span & { readonly limit: number },
  ) => Promise<readonly Omit<MessageAddress, 'fromMe'>[]>
  readonly onError: (error: unknown) => void
}

/**
 * Whoever wrote sees on WhatsApp that a conversation was read here. Without a connection that waits for the next one,
 * while the session stays at this node; nobody misses a receipt that never comes, so that nothing of it is stored.
 */
export const createReadReceipts = ({ gatewayOf, messagesIn, onError }: Parts) => {
  const showOne = async (gateway: Gateway, instanceId: string, span: Span) => {
    const messages = await messagesIn({ ...span, limit: MESSAGES_MAX })
    if (messages.length > 0)
      await gateway.markRead(
        instanceId,
        messages.map((message) => ({ ...message, fromMe: false })),
      )
  }

  const { queueOf, drain, forget } = createInstanceQueues<Span>({
    gatewayOf,
    handle: async (gateway, instanceId, span) => {
      try {
        await showOne(gateway, instanceId, span)
      } catch (error) {
        if (isUnreachable(error) && gatewayOf(instanceId)) {
          keep(instanceId, span)
          return false
        }
        onError(error)
      }
      return true
    },
  })

  const keep = (instanceId: string, span: Span) => {
    const spans = queueOf(instanceId)
    const before = spans.get(span.conversationId) ?? span
    spans.set(span.conversationId, {
      ...(before.upTo > span.upTo ? before : span),
      after: Math.min(before.after, span.after),
    })
    const [oldest] = spans.keys()
    if (spans.size > CONVERSATIONS_MAX && oldest !== undefined) spans.delete(oldest)
  }

  return {
    /** A conversation was read. */
    read: ({ stream, data, position }: RecordedOf<'ConversationRead'>) => {
      const { instanceId, upTo, after = 0 } = data
      if (instanceId === undefined || !gatewayOf(instanceId)) return
      keep(instanceId, { conversationId: idOfStream(stream), after, upTo, position })
      void drain(instanceId)
    },
    /** The instance is connected. */
    show: drain,
    forget,
  }
}
