import {
  AutomationRun,
  drop,
  isHandled,
  record,
  stop,
  type AutomationRunEvent,
  type HeardMessage,
} from '../domain/automation-run.ts'
import { isFlow } from '../domain/automation.ts'
import { upcast } from '../domain/catalogue.ts'
import { isMedia, textOf, type Content } from '../domain/content.ts'
import { Conversation, pause, tag, type ConversationEvent } from '../domain/conversation.ts'
import { idOfStream, type Decide } from '../domain/decider.ts'
import { Refusal } from '../domain/errors.ts'
import { begin, resume, type Action, type Heard, type Turn } from '../domain/flow.ts'
import { runId as runIdOf } from '../domain/ids.ts'
import { failed, type AskIntegration } from '../domain/integration.ts'
import { Message } from '../domain/message.ts'
import { causedBy, type Context } from '../domain/metadata.ts'
import { tellOfMessage } from '../domain/telling.ts'
import { isGroup } from '../domain/values.ts'
import type { Position, Recorded } from '../ports/event-store.ts'
import type { AutomationRow } from '../projections/automations.ts'
import { isOf, type RecordedOf } from '../projections/projection.ts'
import { createFollowConversation } from '../write/conversations.ts'
import type { MediaKeeper } from '../write/media.ts'
import type { PrepareContent, Send } from '../write/send.ts'
import type { Load, Transact } from '../write/transact.ts'
import type { Aside, LaneWork } from './lanes.ts'
import { createPlaces, type Places } from '../places.ts'

/** A question that nobody answered for so long is forgotten: the next message starts afresh. */
const ANSWER_MAX_MS = 24 * 3_600_000
/** Questions that one integration is asked at once. */
const ASKED_AT_ONCE = 8

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly send: Send
  /** Fetches the file at a URL for a message. */
  readonly attach: MediaKeeper['attach']
  readonly ask: AskIntegration
  /** The enabled automations of an instance, by number, as far as they are known up to a position. */
  readonly enabledOf: (
    instanceId: string,
    upTo: Position,
    signal: AbortSignal,
  ) => Promise<readonly AutomationRow[]>
  /** Whether nobody wrote in the conversation before a message. */
  readonly isFirst: (message: RecordedOf<'MessageReceived'>, signal: AbortSignal) => Promise<boolean>
  /** Those of some ids that are tags of the tenant. */
  readonly knownTags: (tenantId: string, ids: readonly string[]) => Promise<readonly string[]>
}

/** A run and what its next turn is. */
type Going = { readonly automation: AutomationRow; readonly runId: string; readonly turn: Turn }
type Received = RecordedOf<'MessageReceived'>
/** Waits for somebody elsewhere, who holds up neither other conversations nor the end of the program. */
type Slow = Aside

/**
 * Answers messages, in chats with one person, where automation is active: the run that waits goes on, or else the first
 * automation whose trigger fits starts one. What a turn says is sent before the turn is recorded, under ids that derive
 * from the run and the step: whatever a crash leaves open is decided and sent again, and is there once.
 */
export const createAutomationWork = (parts: Parts): LaneWork => {
  const { transact, load, send, attach, ask, enabledOf, isFirst, knownTags } = parts
  const followConversation = createFollowConversation(load)
  const askedAtOnce = new Map<string, Places>()

  /** Integrations are asked aside, each of them by so many only: one that hangs holds up nobody else. */
  const askInTurn = async (automation: AutomationRow, event: Received, runId: string, slow: Slow) => {
    const { id, instance_id: instanceId, definition: integration } = automation
    if (isFlow(integration)) throw new Error(`Automation ${id} is no integration`)
    const places = askedAtOnce.get(id) ?? createPlaces(ASKED_AT_ONCE)
    askedAtOnce.set(id, places)
    const question = { automation_id: id, run_id: runId, ...questionOf(event) }
    const asking = () => places.within(() => ask({ integration, instanceId, runId }, question))
    const turn = await slow(asking)
    if (places.isIdle()) askedAtOnce.delete(id)
    return turn
  }

  /** The run that goes on, or starts, with a message. */
  const next = async (
    automations: readonly AutomationRow[],
    { waiting }: AutomationRun,
    event: Received,
    signal: AbortSignal,
    slow: Slow,
  ): Promise<Going | undefined> => {
    const heard: Heard = { text: textOf(event.data.content) ?? '', name: event.data.senderName }
    const present = automations.find(({ id }) => id === waiting?.automationId)
    if (waiting && present && isFlow(present.definition) && isInTime(waiting.since, event.meta.at)) {
      const turn = resume(present.definition, waiting, heard)
      if (turn) return { automation: present, runId: waiting.runId, turn }
    }
    const first = automations.some(asksForFirst) && (await isFirst(event, signal))
    for (const automation of automations) {
      const { id, definition } = automation
      const runId = runIdOf(id, idOfStream(event.stream))
      const turn = isFlow(definition)
        ? begin(definition, heard, first)
        : await askInTurn(automation, event, runId, slow)
      if (turn) return { automation, runId, turn }
    }
    return undefined
  }

  /** The file at the URL of a content is here before the message is queued; fetched once, however often it is sent. */
  const withFile =
    (instanceId: string, content: Content, context: Context): PrepareContent =>
    async ({ queued, ...message }) => {
      if (queued || !isMedia(content) || content.url === undefined) return queued ?? content
      const { kind, url } = content
      const wanted = { type: kind === 'sticker' ? 'image' : kind } as const
      return { ...content, ...(await attach(url, wanted, { ...message, instanceId }, context)) }
    }

  const sendOnce = async (event: Received, key: string, content: Content, context: Context, slow: Slow) => {
    const { instanceId, chat } = event.data
    const message = { instanceId, chat, idempotencyKey: key, queueOnly: true, queueIfOffline: true, context }
    try {
      if (isMedia(content))
        await slow(() => send({ ...message, content: withFile(instanceId, content, context) }))
      else await send({ ...message, content })
    } catch (error) {
      // Said already, before a crash: maybe in other words, by what the automation was then; or WhatsApp refused it.
      if (!(error instanceof Refusal) || !['IDEMPOTENCY_KEY_REUSED', 'SEND_FAILED'].includes(error.code))
        throw error
    }
  }

  const retag = async (event: Received, context: Context, { add, remove }: Action & { type: 'tag' }) => {
    const known = await knownTags(context.tenant, add)
    const at = new Date().toISOString()
    const decide: Decide<Conversation, ConversationEvent> = (conversation) =>
      tag([...conversation.tags.filter((id) => !remove.includes(id)), ...known], at)(conversation)
    const { id } = await followConversation(event.data.conversationId)
    await transact(Conversation, id, decide, context)
  }

  /** Does what a turn asks for, and answers how the run then stands: something may have been refused. */
  const perform = async ({ runId, turn }: Going, event: Received, context: Context, slow: Slow) => {
    try {
      for (const action of turn.actions)
        if (action.type === 'tag') await retag(event, context, action)
        else await sendOnce(event, `run ${runId} ${action.step}`, action.content, context, slow)
      return turn.next
    } catch (error) {
      // What is not possible right now may be a moment later.
      if (error instanceof Refusal && error.code !== 'UNAVAILABLE') return failed(error.message).next
      throw error
    }
  }

  /** A run that could not go on, or will not, leaves the conversation to people. */
  const handOver = async (conversationId: string, { ended }: AutomationRun, context: Context) => {
    const reason = ended?.outcome === 'failed' ? `Automation failed. ${ended.reason ?? ''}` : ended?.reason
    await ifThere(transact(Conversation, conversationId, pause(reason, new Date().toISOString()), context))
  }

  const mustBeHandedOver = ({ ended }: AutomationRun, message: HeardMessage) =>
    ended?.messageId === message.id && ended.outcome !== 'completed'

  /** An integration takes its time to answer, in which a person may have taken over. */
  const isStillActive = async ({ definition }: AutomationRow, conversationId: string) =>
    isFlow(definition) || (await followConversation(conversationId)).state.automation === 'active'

  const answer = async (event: Received, signal: AbortSignal, aside: Aside) => {
    const { instanceId } = event.data
    const automations = await enabledOf(instanceId, event.position, signal)
    if (automations.length === 0) return
    // It may be part of another one by now.
    const conversation = await followConversation(event.data.conversationId)
    const conversationId = conversation.id
    const run = await load(AutomationRun, conversationId)
    if (conversation.state.automation !== 'active') return
    const message: HeardMessage = { id: idOfStream(event.stream), heardAt: event.meta.at }
    const slow: Slow = (task) => aside(() => unlessAborted(signal, task()))
    const by = (id: string) => causedBy(event, { kind: 'automation', id })
    const write = (decide: Decide<AutomationRun, AutomationRunEvent>, context: Context) =>
      transact(AutomationRun, conversationId, decide, context)

    if (isHandled(run.state, message)) {
      const { ended } = run.state
      if (ended && mustBeHandedOver(run.state, message))
        await handOver(conversationId, run.state, by(ended.automationId))
      return
    }
    const going = await next(automations, run.state, event, signal, slow)
    const at = () => new Date().toISOString()
    if (!going) {
      if (run.state.waiting) await write(drop(message, at()), by(run.state.waiting.automationId))
      return
    }
    const { runId, automation } = going
    const context = by(automation.id)
    const outcome = (await isStillActive(automation, conversationId))
      ? await perform(going, event, context, slow)
      : tookOver
    const decide = record({ runId, automationId: automation.id, message, next: outcome }, at())
    const { state } = await write(decide, context)
    if (mustBeHandedOver(state, message)) await handOver(conversationId, state, context)
  }

  /** A run that waits is over once a person takes over, or the conversation is gone; told of it again, a later one is not. */
  const stopRun = async (event: Recorded, outcome: 'handed_over' | 'failed', reason: string | undefined) => {
    const decide = stop(outcome, reason, event.meta.at, new Date().toISOString())
    await transact(AutomationRun, idOfStream(event.stream), decide, causedBy(event))
  }

  return {
    name: 'automations',
    laneOf: (event) => {
      if (isOf(event, 'MessageReceived')) {
        const { chat, conversationId, importedAt } = event.data
        return isGroup(chat) || importedAt !== undefined || event.erased ? undefined : conversationId
      }
      return isOf(event, 'AutomationPaused') ||
        isOf(event, 'ConversationDeleted') ||
        isOf(event, 'ConversationMerged')
        ? idOfStream(event.stream)
        : undefined
    },
    handle: async (event, signal, aside) => {
      if (isOf(event, 'MessageReceived')) return answer(upcast(event), signal, aside)
      if (isOf(event, 'AutomationPaused')) return stopRun(event, 'handed_over', upcast(event).data.reason)
      if (isOf(event, 'ConversationMerged'))
        return stopRun(event, 'failed', 'It became part of another conversation.')
      return stopRun(event, 'failed', 'The conversation was deleted.')
    },
  }
}

const tookOver = { outcome: 'handed_over', reason: 'A person took over.' } as const

const asksForFirst = ({ definition }: AutomationRow) =>
  isFlow(definition) && definition.trigger.type === 'first_message'

const isInTime = (since: string, now: string) => Date.parse(now) - Date.parse(since) <= ANSWER_MAX_MS

/** What an integration is told of a message: the conversation, and the message as webhooks have it. */
const questionOf = (event: Received) => {
  const [told] = tellOfMessage(Message.initial, event)
  return {
    instance_uuid: event.data.instanceId,
    conversation_id: event.data.conversationNumber,
    conversation_uuid: event.data.conversationId,
    message: told?.data,
  }
}

/** A stop does not wait for somebody slow: what was asked is asked again after the next start. */
const unlessAborted = async <T>(signal: AbortSignal, promise: Promise<T>): Promise<T> => {
  signal.throwIfAborted()
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new Error('The program is stopping'))
    signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** A conversation may be deleted in between. */
const ifThere = async (written: Promise<unknown>) => {
  try {
    await written
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'NOT_FOUND') throw error
  }
}
