import type { PoolClient } from 'pg'
import { isSerial, isUuid } from '../domain/values.ts'
import { Contact } from '../domain/contact.ts'
import { idOfStream, streamOf } from '../domain/decider.ts'
import { contactId, conversationId } from '../domain/ids.ts'
import { Instance } from '../domain/instance.ts'
import { messageEvents } from '../domain/message.ts'
import type { Recorded } from '../ports/event-store.ts'
import { projections } from '../projections/index.ts'
import { isOf, type AnyProjection } from '../projections/projection.ts'
import type { ReadModel } from '../projections/read-models.ts'
import type { EventFinder } from './find-events.ts'
import type { Question } from './question.ts'

const all: Readonly<Record<ReadModel, AnyProjection>> = projections

/** The types of events that make the rows of some read models. */
const typesOf = (models: readonly ReadModel[]) => [
  ...new Set(
    models.flatMap((name) => [...Object.keys(all[name].on), ...Object.keys(all[name].sweeps ?? {})]),
  ),
]
const ofMessages = new Set(Object.keys(messageEvents))
/** What says whether there is a conversation with somebody, and shows their picture, without what was said in it. */
const lifeOfConversations = typesOf(['conversations']).filter((type) => !ofMessages.has(type))
/** What says which instances there are, without their connections. */
const lifeOfInstances = ['InstanceCreated', 'InstanceDeleted']

type Given = { readonly client: PoolClient; readonly finder: EventFinder; readonly question: Question }
type Kind = 'conversation' | 'contact'
const firstTypes = {
  conversation: ['ConversationStarted'],
  contact: ['ContactCreated', 'ContactLearned', 'ContactUnited'],
} as const

/** Whether a number was given to nobody yet. */
const isUnused = async (client: PoolClient, kind: Kind, number: number) => {
  const { rows } = await client.query(
    `select from ${kind}_number where $1 > greatest(last_value, (select number from highest_number where id = $2))`,
    [number, kind],
  )
  return rows.length > 0
}

/** The ids that something goes by, or went by then. A number is not in `audit_event`: the log is looked through for one of what is gone. */
const idsOf = async ({ client, finder, question }: Given, kind: Kind, ref: string): Promise<string[]> => {
  if (isUuid(ref)) return [ref.toLowerCase()]
  if (!isSerial(ref)) return []
  // What answers to it now may have been several then. No two accounts have the same number.
  const { rows } = await client.query<{ id: string; tenant_id: string; aliases: string[] | null }>(
    `select id, tenant_id, aliases from ${kind} where number = $1 or aliases @> array[$2]`,
    [Number(ref), ref],
  )
  const own = rows.filter(({ tenant_id }) => tenant_id === question.tenantId)
  if (own.length > 0) return own.flatMap(({ id, aliases }) => [id, ...(aliases ?? []).filter(isUuid)])
  if (rows.length > 0 || (await isUnused(client, kind, Number(ref)))) return []
  const first = await finder.look({ types: firstTypes[kind] })
  return first
    .filter(({ data }) => Reflect.get(data, 'number') === Number(ref))
    .map(({ stream }) => idOfStream(stream))
}

type Take = (ids: readonly string[]) => Promise<readonly Recorded[]>

/** Takes the events of some things, then those of the things that they became part of, or that became part of them. */
const takeUnited = async (ids: readonly string[], take: Take, othersIn: (event: Recorded) => string[]) => {
  const known = new Set(ids)
  const taken: Recorded[] = []
  for (let fresh = [...known]; fresh.length > 0;) {
    const events = await take(fresh)
    fresh = [...new Set(events.flatMap(othersIn))].filter((id) => !known.has(id))
    for (const id of fresh) known.add(id)
    for (const event of events) taken.push(event)
  }
  return taken
}

const takeConversations = ({ finder }: Given, ids: readonly string[], types: readonly string[]) =>
  takeUnited(
    ids,
    (about) => finder.take({ types: [...types, 'ConversationMerged'], about }),
    (event) => (isOf(event, 'ConversationMerged') ? [idOfStream(event.stream), event.data.into] : []),
  )

/** The one that goes on has on its own stream all that was known of the others. */
const takeContacts = ({ finder }: Given, ids: readonly string[]) =>
  takeUnited(
    ids,
    (some) => finder.takeStreams(some.map((id) => streamOf(Contact, id))),
    (event) => (isOf(event, 'ContactMerged') ? [event.data.into] : []),
  )

/** Everybody who is named where messages are shown: the other side, those mentioned, those who reacted. */
const peopleIn = (event: Recorded): string[] => {
  if (isOf(event, 'ConversationStarted') || isOf(event, 'ConversationMerged'))
    return idsOfPeople(event.data.instanceId, [event.data.chat])
  if (isOf(event, 'MessageReacted')) {
    const { instanceId, by } = event.data
    return idsOfPeople(instanceId, [by])
  }
  if (
    !isOf(event, 'MessageQueued') &&
    !isOf(event, 'MessageReceived') &&
    !isOf(event, 'MessageSentFromPhone')
  )
    return []
  const { instanceId, chat, content } = event.data
  return idsOfPeople(instanceId, [chat, ...('mentions' in content ? (content.mentions ?? []) : [])])
}
const idsOfPeople = (instanceId: string, jids: readonly string[]) =>
  jids.map((jid) => contactId(instanceId, jid))

const instanceOf = ({ data }: Recorded): string[] => {
  const id: unknown = Reflect.get(data, 'instanceId')
  return typeof id === 'string' ? [id] : []
}

const takeConversation = async (given: Given, ref: string) => {
  const { finder, question } = given
  const asked = (...models: ReadModel[]) => typesOf(models.filter((name) => question.models.includes(name)))
  const ids = await idsOf(given, 'conversation', ref)
  const own = await takeConversations(given, ids, asked('conversations', 'conversationTags', 'messages'))
  if (own.length === 0) return
  await takeContacts(given, own.flatMap(peopleIn))
  await finder.takeStreams(new Set(own.flatMap(instanceOf).map((id) => streamOf(Instance, id))))
  await finder.take({ types: asked('tags', 'automations') })
}

const takeContact = async (given: Given, ref: string) => {
  const own = await takeContacts(given, await idsOf(given, 'contact', ref))
  const chats = own.flatMap((event) =>
    isOf(event, 'ContactCreated') || isOf(event, 'ContactLearned') || isOf(event, 'ContactUnited')
      ? [conversationId(event.data.instanceId, event.data.jid)]
      : [],
  )
  await takeConversations(given, chats, lifeOfConversations)
}

/** The instance that is meant, if it can be told now: without it all are counted, and the answer is the same. */
const instanceIdOf = async ({ client, question }: Given, ref: string | undefined) => {
  if (ref === undefined || isUuid(ref)) return ref
  const { rows } = await client.query<{ id: string }>(
    'select id from instance where tenant_id = $1 and number = $2',
    [question.tenantId, isSerial(ref) ? Number(ref) : 0],
  )
  return rows[0]?.id
}

/** Takes the events that an answer is made from. */
export const takeEvents = async (given: Given): Promise<void> => {
  const { finder, question } = given
  const { subject, models } = question
  switch (subject.kind) {
    case 'conversation':
      return takeConversation(given, subject.ref)
    case 'contact':
      return takeContact(given, subject.ref)
    case 'contacts':
      await finder.take({ types: [...typesOf(['contacts']), ...lifeOfConversations, ...lifeOfInstances] })
      return
    case 'activity': {
      const { since, until } = subject
      const id = await instanceIdOf(given, subject.instance)
      const about = id === undefined ? undefined : [id]
      await finder.take({ types: typesOf(['instanceActivity']), since, until, about })
      await finder.take({ types: [...lifeOfInstances, ...typesOf(['tenants'])] })
      return
    }
    case 'account':
      await finder.take({ types: typesOf(models) })
  }
}
