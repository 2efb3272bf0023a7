import { upcast } from '../../domain/catalogue.ts'
import { idOfStream } from '../../domain/decider.ts'
import { addressId, contactId, groupId } from '../../domain/ids.ts'
import { START, type Position, type Recorded } from '../../ports/event-store.ts'
import { isOf } from '../../projections/projection.ts'
import { eventsOf, type LogReader } from '../../read-log.ts'

const idsOf = (prefix: string, ids: readonly (string | undefined)[]) =>
  ids.flatMap((id) => (id === undefined ? [] : [`${prefix}-${id}`]))

/** What is known of a person or a group by a JID; nothing by one that is erased. */
const byJid = (instanceId: string, jid: unknown) =>
  typeof jid !== 'string'
    ? []
    : [
        `contact-${contactId(instanceId, jid)}`,
        `address-${addressId(instanceId, jid)}`,
        `group-${groupId(instanceId, jid)}`,
      ]

type Belongs = {
  /** Whoever wants one of these streams wants the event's own. */
  readonly to?: readonly string[]
  /** Whoever wants the event's stream wants these. */
  readonly needs?: readonly string[]
}

const textIn = (data: object, name: string): string | undefined => {
  const value: unknown = name in data ? Reflect.get(data, name) : undefined
  return typeof value === 'string' ? value : undefined
}
const fileIn = (data: object) =>
  'content' in data && typeof data.content === 'object' && data.content
    ? textIn(data.content, 'mediaId')
    : undefined

/** How the streams of one conversation hang together. What an instance or a tenant has besides is not followed. */
const belongs = (event: Recorded): Belongs => {
  const id = idOfStream(event.stream)
  const { data } = event
  if (event.stream.startsWith('message-') || event.type === 'MediaStored')
    return {
      to: idsOf('conversation', [textIn(data, 'conversationId')]),
      needs: idsOf('media', [fileIn(data)]),
    }
  if (isOf(event, 'ConversationStarted'))
    return { needs: [`run-${id}`, ...byJid(event.data.instanceId, event.data.chat)] }
  if (isOf(event, 'ConversationPictured')) return { needs: idsOf('media', [event.data.picture?.mediaId]) }
  if (isOf(event, 'ConversationTagged'))
    return { needs: idsOf('tag', [...event.data.added, ...event.data.removed]) }
  if (isOf(event, 'ConversationMerged')) return both(`conversation-${event.data.into}`)
  if (isOf(event, 'ConversationUnited')) {
    const { to, needs } = both(`conversation-${event.data.with}`)
    return { to, needs: [...needs, ...idsOf('tag', event.data.tags)] }
  }
  if (isOf(event, 'ContactMerged')) return both(`contact-${event.data.into}`)
  if (isOf(event, 'ContactUnited')) return both(`contact-${event.data.with}`)
  if (isOf(event, 'AddressLinked')) {
    const { instanceId, from, to } = event.data
    const jids: unknown[] = [from, to]
    return { to: jids.flatMap((jid) => byJid(instanceId, jid)) }
  }
  if (isOf(event, 'AutomationRunStarted')) return { needs: [`automation-${event.data.automationId}`] }
  return {}
}
const both = (stream: string) => ({ to: [stream], needs: [stream] })

/** Whose it is, and who did it, if that was an automation. People and tokens stay behind, with what they log in by. */
const owners = ({ data, meta }: Recorded): string[] => [
  `tenant-${meta.tenant}`,
  ...idsOf('instance', [textIn(data, 'instanceId')]),
  ...(meta.actor.kind === 'automation' ? [`automation-${meta.actor.id}`] : []),
]

/** The streams that come with those that are wanted, as far as one event tells. */
const comesWith = (stored: Recorded, wanted: ReadonlySet<string>): readonly string[] => {
  const event = upcast(stored)
  const { to = [], needs = [] } = belongs(event)
  const isWanted = wanted.has(event.stream) || to.some((stream) => wanted.has(stream))
  return isWanted ? [event.stream, ...needs, ...owners(event)] : []
}

/**
 * The streams of a conversation and of what it takes to see it: its messages and their files, the conversations that
 * it was merged with, its person or group with the addresses of each, its automations, tags, instance and tenant. Reads
 * the log again until nothing is added: what is merged late was written to early.
 */
export const streamsOfConversation = async (
  log: LogReader,
  id: string,
  head: Position,
  onProgress: (position: Position, head: Position, events: number) => void = () => {},
): Promise<ReadonlySet<string>> => {
  const wanted = new Set([`conversation-${id}`])
  let events = 0
  for (let before = 0; before < wanted.size;) {
    before = wanted.size
    for await (const event of eventsOf(log, START, head)) {
      for (const stream of comesWith(event, wanted)) wanted.add(stream)
      onProgress(event.position, head, ++events)
    }
  }
  return wanted
}
export const conversationsAmong = (streams: ReadonlySet<string>) =>
  [...streams].filter((stream) => stream.startsWith('conversation-')).map(idOfStream)
