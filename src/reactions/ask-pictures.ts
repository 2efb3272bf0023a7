import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Context } from '../domain/metadata.ts'
import type { Recorded } from '../ports/event-store.ts'
import type { Gateway } from '../ports/gateway.ts'
import type { TakePicture } from '../write/pictures.ts'
import { createInstanceQueues } from './instance-queues.ts'
import { isUnreachable } from './unreachable.ts'

/** Between two questions of one instance: whoever asks for many at once looks like a thief of addresses. */
const PAUSE_MS = 1000
const ASK_AGAIN_MS = 7 * 24 * 60 * 60_000
/** Conversations that are remembered as asked for, and that may wait at one instance. */
const REMEMBERED = 20_000
const WAITING_MAX = 500

/** A conversation of an instance, whose picture is wanted. */
type Pictured = {
  readonly instanceId: string
  readonly tenantId: string
  readonly conversationId: string
  readonly chat: string
  /** The event that it is asked for; missing where WhatsApp says that there is another one. */
  readonly cause?: Pick<Recorded, 'id' | 'meta'>
}

type Parts = {
  /** The gateway of an instance whose session is at this node. */
  readonly gatewayOf: (instanceId: string) => Gateway | undefined
  readonly take: TakePicture
  readonly onError: (error: unknown) => void
}

/**
 * Asks WhatsApp for the pictures of those who write, one after the other: when they write first to this process, when a
 * week has gone by, and when WhatsApp says that there is another one. What is missed is asked for with a later message.
 */
export const createPictureAsker = ({ gatewayOf, take, onError }: Parts) => {
  const asked = new LRUCache<string, true>({ max: REMEMBERED, ttl: ASK_AGAIN_MS })

  const ask = async (gateway: Gateway, pictured: Pictured) => {
    const { instanceId, tenantId, conversationId, chat, cause } = pictured
    const url = await gateway.profilePicture(instanceId, chat)
    const context: Context = {
      tenant: tenantId,
      actor: { kind: 'gateway' },
      correlation: cause?.meta.correlation ?? randomUUID(),
      ...(cause && { causation: cause.id }),
    }
    await take({ instanceId, conversationId }, url, context)
  }

  const { queueOf, drain, forget } = createInstanceQueues<Pictured>({
    gatewayOf,
    handle: async (gateway, _, pictured) => {
      try {
        await ask(gateway, pictured)
      } catch (error) {
        // Without a connection it is asked for with the next message; what cannot be had, not for a while.
        if (isUnreachable(error)) return false
        onError(error)
      }
      asked.set(pictured.conversationId, true)
      await sleep(PAUSE_MS, undefined, { ref: false })
      return true
    },
  })

  const want = (pictured: Pictured) => {
    const { instanceId, conversationId } = pictured
    if (!gatewayOf(instanceId)) return
    const wanted = queueOf(instanceId)
    if (wanted.size < WAITING_MAX) wanted.set(conversationId, pictured)
    void drain(instanceId)
  }

  return {
    /** Somebody wrote. */
    wrote: (pictured: Pictured) => {
      if (!asked.has(pictured.conversationId)) want(pictured)
    },
    /** There is another picture, or none any more. */
    changed: want,
    /** The instance is connected. */
    connected: (instanceId: string) => void drain(instanceId),
    forget,
  }
}
