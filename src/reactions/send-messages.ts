import { setTimeout as sleep } from 'node:timers/promises'
import { isSignal, type Content } from '../domain/content.ts'
import { ERASED } from '../domain/values.ts'
import { messageId } from '../domain/ids.ts'
import { Instance } from '../domain/instance.ts'
import type { Decide } from '../domain/decider.ts'
import { edit, takeBack } from '../domain/message-changes.ts'
import { accept, authorOf, fail, isErased, Message, react, type MessageEvent } from '../domain/message.ts'
import type { Context } from '../domain/metadata.ts'
import { START, type Position } from '../ports/event-store.ts'
import type { Gateway, Outgoing } from '../ports/gateway.ts'
import type { OutboxRow } from '../projections/outbox.ts'
import { createFollowConversation } from '../write/conversations.ts'
import type { Load, Transact } from '../write/transact.ts'
import { createSendLanes } from './send-lanes.ts'

const ATTEMPT_MAX = 6
const RETRY_MIN_MS = 500
const FAULT_PAUSE_MS = 1000
/** Waiting messages taken at once when an instance comes back. */
const PAGE = 200
/** While one of them takes long, others are looked for this often. */
const LOOK_MS = 300

type Parts = {
  readonly transact: Transact
  readonly load: Load
  /** The gateway of an instance whose session is at this node. */
  readonly gatewayOf: (instanceId: string) => Gateway | undefined
  /** Whether this node still has the session of an instance, as the log knows it. */
  readonly isOwner: (instanceId: string) => Promise<boolean>
  /** End of the log. */
  readonly head: () => Promise<Position>
  /** The oldest waiting messages of an instance, from a to-do list that knows everything up to a position. */
  readonly waiting: (instanceId: string, upTo: Position, limit: number) => Promise<readonly OutboxRow[]>
  readonly onOutcome: (outcome: 'sent' | 'failed') => void
  readonly onError: (error: unknown) => void
}

/** What is known of the sending of an instance whose session is at this node. */
type Backlog = {
  /** Messages were left on the to-do list: new ones have to queue up behind them. */
  waiting: boolean
  /** The to-do list has to know as much before it is believed to be empty: then nothing is left of what came before. */
  upTo: Position
  draining: boolean
}

/**
 * Hands queued messages to WhatsApp: those of one conversation in order, of different ones beside each other. What
 * cannot go out now stays on the to-do list, which is read again when the instance is connected, here or at the node
 * that has its session by then.
 */
export const createSender = (parts: Parts) => {
  const { transact, load, gatewayOf, onOutcome, onError } = parts
  const followConversation = createFollowConversation(load)
  const backlogs = new Map<string, Backlog>()
  const lanes = createSendLanes()

  const backlogOf = (instanceId: string): Backlog => {
    // Until its to-do list was found empty once, an instance may have messages waiting.
    const known = backlogs.get(instanceId) ?? { waiting: true, upTo: START, draining: false }
    backlogs.set(instanceId, known)
    return known
  }

  /** Leaves a message on the to-do list, if this node still has to look into it. */
  const leave = ({ instance_id: instanceId }: OutboxRow) => {
    const backlog = backlogs.get(instanceId)
    if (backlog) backlog.waiting = true
  }

  const tellGateway = async (job: OutboxRow) => {
    const { instance_id: instanceId, whatsapp_id: whatsappId, chat, content } = job
    if (chat === ERASED) return { kind: 'refused', reason: 'its text was erased' } as const
    const about = await aboutOf(load, job)
    const message = { instanceId, whatsappId, chat, content, ...(about && { about }) }
    for (let attempt = 1; ; attempt++) {
      const gateway = gatewayOf(instanceId)
      if (!gateway?.connected(instanceId)) return undefined
      const outcome = await gateway.send(message)
      if (outcome.kind === 'sent') return outcome
      if (outcome.kind === 'refused' || attempt === ATTEMPT_MAX) {
        // Who was overtaken does not give up what the next owner can send.
        const isOwner = await parts.isOwner(instanceId)
        return isOwner ? ({ kind: 'refused', reason: outcome.reason } as const) : undefined
      }
      await sleep(RETRY_MIN_MS * 2 ** (attempt - 1))
    }
  }

  /** What a signal that went out did to the message that it is about. */
  const recordSignal = async ({ content, ...job }: OutboxRow, at: string) => {
    if (!isSignal(content)) return
    const record = async (decide: Decide<Message, MessageEvent>) => {
      await transact(Message, messageId(job.instance_id, content.targetWhatsappId), decide, contextOf(job))
    }
    const { id: conversationId } = await followConversation(job.conversation_id)
    switch (content.kind) {
      case 'edit':
        return record(edit(content.text, true, at, { conversationId }))
      case 'delete':
        return record(takeBack(true, at, { conversationId }))
      case 'reaction': {
        const [by, own] = await Promise.all([ownJidOf(load, job.instance_id), load(Message, job.id)])
        const reaction = {
          instanceId: job.instance_id,
          conversationId,
          conversationNumber: own.state.body?.conversationNumber ?? 0,
          targetWhatsappId: content.targetWhatsappId,
          by,
          fromMe: true,
          emoji: content.emoji,
          at,
        }
        return record(react(reaction))
      }
    }
  }

  /** Answers the position of what was recorded; START if the message waits on. */
  const send = async (job: OutboxRow, isNew: boolean): Promise<Position> => {
    if (!isNew) {
      const { state, position } = await load(Message, job.id)
      if (state.status !== 'queued') return position
    }
    const outcome = await tellGateway(job)
    if (!outcome) {
      leave(job)
      return START
    }
    if (outcome.kind === 'sent') await recordSignal(job, outcome.at)
    const at = new Date().toISOString()
    const decide = outcome.kind === 'sent' ? accept(outcome.at) : fail(outcome.reason, at)
    const written = await transact(Message, job.id, decide, contextOf(job))
    onOutcome(outcome.kind === 'sent' ? 'sent' : 'failed')
    return written.position
  }

  const enqueue = (job: OutboxRow, isNew: boolean): Promise<Position> =>
    lanes.add(
      job.conversation_id,
      () => send(job, isNew),
      (error) => {
        onError(error)
        leave(job)
        setTimeout(() => void drain(job.instance_id), FAULT_PAUSE_MS).unref()
        return START
      },
    )

  const isConnected = (instanceId: string) => gatewayOf(instanceId)?.connected(instanceId) ?? false

  /** Sends what waits at an instance until nothing does, or the connection is lost. */
  const drain = async (instanceId: string) => {
    if (!gatewayOf(instanceId)) return
    const backlog = backlogOf(instanceId)
    if (backlog.draining) return
    backlog.draining = true
    backlog.waiting = true
    /** What was taken from the list and is not over, by message. */
    const underWay = new Map<string, Promise<void>>()
    let waitsOn = false
    const take = async (job: OutboxRow) => {
      const position = await enqueue(job, false)
      underWay.delete(job.id)
      if (position === START) waitsOn = true
      else if (position > backlog.upTo) backlog.upTo = position
    }
    try {
      const head = await parts.head()
      if (head > backlog.upTo) backlog.upTo = head
      while (backlog.waiting && isConnected(instanceId)) {
        const { upTo } = backlog
        const jobs = await parts.waiting(instanceId, upTo, PAGE)
        for (const job of jobs) if (!underWay.has(job.id)) underWay.set(job.id, take(job))
        await Promise.race([Promise.all(underWay.values()), sleep(LOOK_MS, undefined, { ref: false })])
        if (waitsOn) await sleep(FAULT_PAUSE_MS)
        else if (jobs.length === 0 && backlog.upTo === upTo) backlog.waiting = false
        waitsOn = false
      }
    } catch (error) {
      onError(error)
      setTimeout(() => void drain(instanceId), FAULT_PAUSE_MS).unref()
    } finally {
      backlog.draining = false
    }
  }

  /** A message was queued: send it now if nothing waits before it, else in its turn. */
  const queued = (job: OutboxRow, position: Position) => {
    if (!gatewayOf(job.instance_id)) return
    const backlog = backlogOf(job.instance_id)
    const isListed = position <= backlog.upTo
    if (isListed && !backlog.waiting) return
    if (!isListed) backlog.upTo = position
    if (isConnected(job.instance_id) && !backlog.waiting) return void enqueue(job, true)
    backlog.waiting = true
    if (isConnected(job.instance_id)) void drain(job.instance_id)
  }

  /** The log is followed anew, and something may have been missed: whatever waits goes first. */
  const begin = () => {
    for (const [instanceId, backlog] of backlogs) {
      backlog.waiting = true
      void drain(instanceId)
    }
  }

  /** The session is no longer here: what is known of its messages gets old. */
  const forget = (instanceId: string) => void backlogs.delete(instanceId)

  return { begin, queued, unite: lanes.unite, drain, forget }
}

const contextOf = ({
  tenant_id,
  correlation,
  causation,
}: Pick<OutboxRow, 'tenant_id' | 'correlation' | 'causation'>): Context => ({
  tenant: tenant_id,
  actor: { kind: 'gateway' },
  correlation,
  causation,
})

const ownJidOf = async (load: Load, instanceId: string) => {
  const { phoneNumber } = (await load(Instance, instanceId)).state
  return phoneNumber === undefined ? '' : `${phoneNumber}@s.whatsapp.net`
}

/** The message that another one is about: WhatsApp wants to be told whose it is. */
const aboutOf = async (
  load: Load,
  { instance_id: instanceId, content }: OutboxRow,
): Promise<Outgoing['about']> => {
  const whatsappId = targetOf(content)
  if (whatsappId === undefined) return undefined
  const [{ state }, own] = await Promise.all([
    load(Message, messageId(instanceId, whatsappId)),
    ownJidOf(load, instanceId),
  ])
  const { body, direction } = state
  const sender = authorOf(state, own)
  if (!body || sender === undefined || isErased(state)) return undefined
  return { whatsappId, chat: body.chat, fromMe: direction === 'outgoing', sender, content: body.content }
}

/** WhatsApp id of the message that a content is about. */
const targetOf = (content: Content): string | undefined => {
  if (isSignal(content)) return content.targetWhatsappId
  return 'replyTo' in content ? content.replyTo : undefined
}
