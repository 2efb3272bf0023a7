import { idOfStream } from '../domain/decider.ts'
import type { Position } from '../ports/event-store.ts'
import type { Gateway, MessageAddress } from '../ports/gateway.ts'
import type { RecordedOf } from '../projections/projection.ts'
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
  const waiting = new Map<string, Map<string, Span>>()
  const showing = new Set<string>()

  const keep = (instanceId: string, span: Span) => {
    const spans = waiting.get(instanceId) ?? new Map<string, Span>()
    waiting.set(instanceId, spans)
    const before = spans.get(span.conversationId) ?? span
    spans.set(span.conversationId, {
      ...(before.upTo > span.upTo ? before : span),
      after: Math.min(before.after, span.after),
    })
    const [oldest] = spans.keys()
    if (spans.size > CONVERSATIONS_MAX && oldest !== undefined) spans.delete(oldest)
  }

  const showOne = async (instanceId: string, gateway: Gateway, span: Span) => {
    const messages = await messagesIn({ ...span, limit: MESSAGES_MAX })
    if (messages.length > 0)
      await gateway.markRead(
        instanceId,
        messages.map((message) => ({ ...message, fromMe: false })),
      )
  }

  /** Shows what waits at an instance until nothing does, or the connection is lost. */
  const show = async (instanceId: string): Promise<void> => {
    if (showing.has(instanceId)) return
    showing.add(instanceId)
    for (;;) {
      const gateway = gatewayOf(instanceId)
      const [span] = waiting.get(instanceId)?.values() ?? []
      if (!span || !gateway?.connected(instanceId)) break
      waiting.get(instanceId)?.delete(span.conversationId)
      try {
        await showOne(instanceId, gateway, span)
      } catch (error) {
        if (isUnreachable(error) && gatewayOf(instanceId)) {
          keep(instanceId, span)
          break
        }
        onError(error)
      }
    }
    showing.delete(instanceId)
  }

  return {
    /** A conversation was read. */
    read: ({ stream, data, position }: RecordedOf<'ConversationRead'>) => {
      const { instanceId, upTo, after = 0 } = data
      if (instanceId === undefined || !gatewayOf(instanceId)) return
      keep(instanceId, { conversationId: idOfStream(stream), after, upTo, position })
      void show(instanceId)
    },
    show,
    /** The session is no longer here. */
    forget: (instanceId: string) => void waiting.delete(instanceId),
  }
}
