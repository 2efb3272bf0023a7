import { Type } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { runOutcomes, type Next, type RunOutcome, type Waiting } from './flow.ts'
import { literals, PersonalText, Time, Uuid } from './values.ts'

const Run = { runId: Uuid, automationId: Uuid, at: Time }
/** The message that this is about, and when it was recorded. */
const Message = { messageId: Uuid, heardAt: Time }

export const automationRunEvents = {
  AutomationRunStarted: eventSchema(Type.Object({ ...Run, ...Message })),
  /** It asked something, and waits for the next message. */
  AutomationRunAdvanced: eventSchema(
    Type.Object({
      ...Run,
      ...Message,
      waitingAt: Type.Array(Type.Integer({ minimum: 0 })),
      variables: Type.Array(Type.Object({ name: Type.String(), value: PersonalText })),
    }),
  ),
  /** Without a message: something else put an end to it. */
  AutomationRunEnded: eventSchema(
    Type.Object({
      ...Run,
      messageId: Type.Optional(Uuid),
      heardAt: Type.Optional(Time),
      outcome: literals(runOutcomes),
      reason: Type.Optional(PersonalText),
    }),
  ),
}
export type AutomationRunEvent = EventOf<typeof automationRunEvents>

/** A message as runs know it. */
export type HeardMessage = { readonly id: string; readonly heardAt: string }

export type AutomationRun = {
  /** The last messages that runs are done with: those that were recorded at one and the same time. */
  readonly handled?: { readonly at: string; readonly ids: readonly string[] }
  /** The run that waits for an answer. */
  readonly waiting?: Waiting & {
    readonly runId: string
    readonly automationId: string
    readonly since: string
  }
  /** How the last one ended, and with which message. */
  readonly ended?: {
    readonly automationId: string
    readonly messageId?: string | undefined
    readonly outcome: RunOutcome
    readonly reason?: string | undefined
  }
}

const handle = (state: AutomationRun, messageId?: string, heardAt?: string): AutomationRun['handled'] => {
  if (messageId === undefined || heardAt === undefined) return state.handled
  const earlier = state.handled?.at === heardAt ? state.handled.ids : []
  return { at: heardAt, ids: [...earlier.filter((id) => id !== messageId), messageId] }
}

/** What automation is doing in one conversation; the stream has the conversation's id. */
export const AutomationRun: Decider<AutomationRun, AutomationRunEvent> = {
  category: 'run',
  events: automationRunEvents,
  initial: {},
  evolve: (state, { type, data }) => {
    const handled = handle(state, data.messageId, data.heardAt)
    const kept = handled && { handled }
    const { runId, automationId } = data
    switch (type) {
      case 'AutomationRunStarted':
        return { ...kept }
      case 'AutomationRunAdvanced': {
        const variables = Object.fromEntries(data.variables.map(({ name, value }) => [name, value]))
        return {
          ...kept,
          waiting: { runId, automationId, since: data.at, at: data.waitingAt, variables },
        }
      }
      case 'AutomationRunEnded': {
        const { messageId, outcome, reason } = data
        return { ...kept, ended: { automationId, messageId, outcome, reason } }
      }
    }
  },
}

type Decision = Decide<AutomationRun, AutomationRunEvent>

/**
 * Whether runs are done with a message. Those of a conversation are handled in the order in which they were recorded,
 * so that all that came before the last one are done with, too.
 */
export const isHandled = ({ handled }: AutomationRun, { id, heardAt }: HeardMessage): boolean =>
  handled !== undefined && (heardAt < handled.at || (heardAt === handled.at && handled.ids.includes(id)))

type Told = {
  readonly runId: string
  readonly automationId: string
  readonly message: HeardMessage
  readonly next: Next
}

const ended = (
  run: { runId: string; automationId: string },
  outcome: RunOutcome,
  reason: string | undefined,
  at: string,
): Extract<AutomationRunEvent, { type: 'AutomationRunEnded' }> => ({
  type: 'AutomationRunEnded',
  data: {
    runId: run.runId,
    automationId: run.automationId,
    outcome,
    ...(reason !== undefined && { reason }),
    at,
  },
})

const DROPPED = 'Nobody answered in time, or the automation has changed.'

/** Takes down what a message brought about, once all of it is done. Another run that waited is over. */
export const record =
  ({ runId, automationId, message, next }: Told, at: string): Decision =>
  (state) => {
    if (isHandled(state, message)) return []
    const { waiting } = state
    const about = { runId, automationId, messageId: message.id, heardAt: message.heardAt, at }
    const events: AutomationRunEvent[] = []
    if (waiting && waiting.runId !== runId) events.push(ended(waiting, 'failed', DROPPED, at))
    if (waiting?.runId !== runId) events.push({ type: 'AutomationRunStarted', data: about })
    if (next.outcome === 'waiting') {
      const variables = Object.entries(next.waiting.variables).map(([name, value]) => ({ name, value }))
      const data = { ...about, waitingAt: [...next.waiting.at], variables }
      events.push({ type: 'AutomationRunAdvanced', data })
    } else {
      const { data } = ended(about, next.outcome, next.reason, at)
      events.push({ type: 'AutomationRunEnded', data: { ...about, ...data } })
    }
    return events
  }

/** The run that waits is over, unless it took in a message after `since`, when what ends it happened. */
export const stop =
  (outcome: RunOutcome, reason: string | undefined, since: string, at: string): Decision =>
  ({ waiting, handled }) =>
    waiting && (handled === undefined || handled.at <= since) ? [ended(waiting, outcome, reason, at)] : []

/** The run that waits is over, and the message sets off no other. */
export const drop =
  (message: HeardMessage, at: string): Decision =>
  (state) => {
    if (!state.waiting || isHandled(state, message)) return []
    const { type, data } = ended(state.waiting, 'failed', DROPPED, at)
    return [{ type, data: { ...data, messageId: message.id, heardAt: message.heardAt } }]
  }
