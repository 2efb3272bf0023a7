import { LRUCache } from 'lru-cache'
import { isSignal, type Content } from '../domain/content.ts'
import { mustBeManual } from '../domain/conversation.ts'
import { notFound, Refusal } from '../domain/errors.ts'
import { messageId, outgoingWhatsappId } from '../domain/ids.ts'
import { Instance, mustBeConnected } from '../domain/instance.ts'
import { isErased, Message, mustBeFreeFor, queue, type MessageStatus } from '../domain/message.ts'
import type { Context } from '../domain/metadata.ts'
import type { Numbers } from '../ports/numbers.ts'
import type { Conversations, StartConversation } from './conversations.ts'
import type { Outcomes } from './outcomes.ts'
import type { Quota } from './quota.ts'
import type { Load, Recall, Transact } from './transact.ts'

/** How long another process may have changed an instance unnoticed. */
const BELIEVED_MS = 2000
const BELIEVED_MAX = 10_000
/** A request that waits for WhatsApp's word looks this often whether the instance is still connected. */
const LOOK_MS = 1000

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly recall: Recall
  readonly numbers: Numbers
  readonly startConversation: StartConversation
  readonly findConversation: Conversations['find']
  readonly outcomes: Outcomes
  readonly quota: Quota
  /** Whether an automation of the instance is enabled. */
  readonly hasAutomation: (instanceId: string) => Promise<boolean>
  /** How long a request waits for WhatsApp before it answers `queued`. */
  readonly timeoutMs: number
}

/**
 * Makes the content once it is clear that the message may be sent. `queued` is what was queued before under the same
 * Idempotency-Key: content that comes out equal is the same message again.
 */
export type PrepareContent = (message: {
  readonly id: string
  readonly conversationId: string
  readonly queued: Content | undefined
}) => Promise<Content>

export type SendCommand = {
  readonly instanceId: string
  /** JID of the chat. */
  readonly chat: string
  readonly content: Content | PrepareContent
  /** Take the message even if the instance is not connected, and send it when it is. */
  readonly queueIfOffline: boolean
  /** Do not wait for WhatsApp: answer as soon as it is queued. */
  readonly queueOnly?: boolean
  readonly idempotencyKey?: string | undefined
  readonly context: Context
}

export type SentMessage = {
  readonly id: string
  readonly whatsappId: string
  readonly status: MessageStatus
  /** When it was queued: the same however often the same request comes. */
  readonly at: string
}

/**
 * Takes a message for sending and waits, within bounds, for WhatsApp's word. The WhatsApp id is chosen here, so that a
 * crash anywhere sends again under the same one. Throws SEND_FAILED if WhatsApp refuses.
 */
export const createSend = (parts: Parts) => {
  const { transact, load, recall, numbers, startConversation, findConversation } = parts
  const { outcomes, quota, timeoutMs, hasAutomation } = parts
  const believed = new LRUCache<string, true>({ max: BELIEVED_MAX, ttl: BELIEVED_MS })

  /** One that was connected a moment ago will do; before it is refused, the log is asked. */
  const presentInstance = async (instanceId: string): Promise<Instance> => {
    const recalled = believed.has(instanceId) ? recall(Instance, instanceId) : undefined
    if (recalled?.exists && recalled.status === 'connected') return recalled
    const { state } = await load(Instance, instanceId)
    believed.set(instanceId, true)
    return state
  }

  /** Nobody but automation itself says anything while it answers in the conversation. */
  const mustNotBeAutomated = async ({ instanceId, chat, content, context }: SendCommand) => {
    const isFree = context.actor.kind === 'automation' || (typeof content !== 'function' && isSignal(content))
    if (isFree || !(await hasAutomation(instanceId))) return
    mustBeManual((await findConversation(instanceId, chat, true)).state)
  }

  const mustBeAllowed = async (command: SendCommand, instance: Instance) => {
    await mustNotBeAutomated(command)
    if (!command.queueIfOffline) mustBeConnected(instance)
    const limit = quota.limitOf(instance)
    // A file that is fetched for a message which then may not go out would be kept for nobody.
    if (typeof command.content === 'function' && limit !== null)
      await quota.mustHaveRoom({
        instanceId: command.instanceId,
        tenantId: command.context.tenant,
        limit,
      })
  }

  /**
   * The message once WhatsApp's word has come, or as it is when none is to be expected: after the time-out, or when the
   * instance turns out not to be connected. Then it stays queued, and goes out when the instance is back.
   */
  const settled = async (
    id: string,
    instanceId: string,
    queued: Message,
    waiting: ReturnType<Outcomes['wait']>,
  ): Promise<Message> => {
    const look = async () => {
      if ((await load(Instance, instanceId)).state.status !== 'connected') waiting.giveUp()
    }
    // A look that fails changes nothing: the next one may not, and the time-out comes in any case.
    const looking = setInterval(() => void look().catch(() => {}), LOOK_MS)
    const outcome = await waiting.outcome.finally(() => clearInterval(looking))
    if (outcome) return Message.evolve(queued, outcome)
    const [instance, message] = await Promise.all([load(Instance, instanceId), load(Message, id)]).catch(
      // It is queued, whether or not the log can be read at this moment.
      () => [],
    )
    if (instance && !instance.state.exists && message?.state.status === 'queued') throw notFound('Instance')
    return message?.state ?? queued
  }

  /** The chat of a message that was queued before: under the JID of then, if that is the same one. */
  const chatOf = async ({ instanceId, chat }: SendCommand, queued: { readonly chat: string }) => {
    if (queued.chat === chat) return chat
    const [now, then] = await Promise.all([chat, queued.chat].map((jid) => findConversation(instanceId, jid)))
    return now?.id === then?.id ? queued.chat : chat
  }

  const contentOf = async (
    { content, instanceId, chat }: SendCommand,
    id: string,
    queued: Message['body'],
  ) =>
    typeof content === 'function'
      ? content({
          id,
          conversationId: (await findConversation(instanceId, chat)).id,
          queued: queued?.content,
        })
      : content

  return async (command: SendCommand): Promise<SentMessage> => {
    const { instanceId, chat, context, idempotencyKey } = command
    const whatsappId = outgoingWhatsappId(instanceId, idempotencyKey)
    const id = messageId(instanceId, whatsappId)
    const [instance, known, number] = await Promise.all([
      presentInstance(instanceId),
      idempotencyKey === undefined ? undefined : load(Message, id),
      numbers('message'),
    ])
    // Before the conversation starts: a refused request leaves nothing behind.
    if (!instance.exists) throw notFound('Instance')
    const queuedBefore = known?.state.body
    if (queuedBefore && isErased(known.state))
      return { id, whatsappId, status: known.state.status ?? 'queued', at: queuedBefore.at }
    if (!queuedBefore) await mustBeAllowed(command, instance)
    const content = await contentOf(command, id, queuedBefore)
    if (queuedBefore && known)
      mustBeFreeFor({ chat: await chatOf(command, queuedBefore), content }, known.state)
    const take = async () => {
      const conversation = await startConversation(instanceId, chat, context)
      const message = {
        instanceId,
        conversationId: conversation.id,
        conversationNumber: conversation.number,
        number,
        whatsappId,
        chat: queuedBefore?.chat ?? conversation.chat,
        content,
        at: new Date().toISOString(),
      }
      const queued = await transact(Message, id, queue(message), context, { expectNew: true })
      // Deleted in between, it would be there for those who read and not for those who write.
      const { conversationId } = queued.state.body ?? message
      const wrote = { id, conversationId, position: queued.position }
      await startConversation(instanceId, chat, context, { surely: true, wrote })
      return queued
    }
    const isTaken = async () =>
      idempotencyKey !== undefined && (await load(Message, id)).state.body !== undefined
    const isCounted = !queuedBefore && !isSignal(content)
    const limit = isCounted ? quota.limitOf(instance) : null
    const waiting = outcomes.wait(id, timeoutMs)
    try {
      const queued = await (limit === null
        ? take()
        : quota.spend({ instanceId, tenantId: context.tenant, limit, isTaken, take }))
      const isOpen = !command.queueOnly && queued.state.status === 'queued' && instance.status === 'connected'
      const state = isOpen ? await settled(id, instanceId, queued.state, waiting) : queued.state
      if (!state.body) throw new Error(`Message ${id} was not queued`)
      if (state.status === 'failed') throw sendFailed(state.reason, idempotencyKey !== undefined)
      return {
        id,
        whatsappId,
        status: state.status ?? 'queued',
        at: state.body.at,
      }
    } finally {
      waiting.giveUp()
    }
  }
}
export type Send = ReturnType<typeof createSend>

const sendFailed = (reason = 'unknown reason', hasKey: boolean) =>
  new Refusal(
    'SEND_FAILED',
    [
      `WhatsApp did not take the message: ${reason.replace(/\.$/, '')}.`,
      ...(hasKey ? ['Under this Idempotency-Key it is not tried again.'] : []),
    ].join(' '),
    { reason },
  )
