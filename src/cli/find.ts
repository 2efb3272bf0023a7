import { upcast } from '../domain/catalogue.ts'
import { idOfStream } from '../domain/decider.ts'
import { START, type EventStore, type Recorded } from '../ports/event-store.ts'
import { isOf } from '../projections/projection.ts'
import { eventsOf } from '../read-log.ts'
import { WrongUsage } from './command.ts'

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i
const NUMBER = /^[1-9]\d{0,14}$/

/** The id of the first stream in the log with such an event. */
const findFirst = async (
  store: EventStore,
  matches: (event: Recorded) => boolean,
): Promise<string | undefined> => {
  for await (const event of eventsOf(store, START, await store.head()))
    if (matches(event)) return idOfStream(event.stream)
  return undefined
}

/** The id of a tenant that is named by its id or its number. */
export const findTenant = async (store: EventStore, named: string): Promise<string> => {
  const isUuid = UUID.test(named)
  if (!isUuid && !NUMBER.test(named)) throw new WrongUsage('A tenant is named by its UUID or its number.')
  const found = isUuid
    ? (await store.readStream(`tenant-${named.toLowerCase()}`)).map(({ stream }) => idOfStream(stream))[0]
    : await findFirst(store, (event) => {
        const created = upcast(event)
        return isOf(created, 'TenantCreated') && created.data.number === Number(named)
      })
  if (found === undefined) throw new Error(`There is no tenant ${named}.`)
  return found
}

/** The id of a conversation that is named by its id, or by its number among those of a tenant. */
export const findConversation = async (
  store: EventStore,
  named: string,
  tenantId: string | undefined,
): Promise<string> => {
  if (UUID.test(named)) {
    const id = named.toLowerCase()
    const [first] = await store.readStream(`conversation-${id}`)
    if (!first || (tenantId !== undefined && first.meta.tenant !== tenantId))
      throw new Error(`There is no conversation ${named}${tenantId === undefined ? '' : ' of that tenant'}.`)
    return id
  }
  if (!NUMBER.test(named)) throw new WrongUsage('A conversation is named by its UUID or its number.')
  if (tenantId === undefined)
    throw new WrongUsage('A conversation that is named by its number needs --tenant.')
  const found = await findFirst(store, (event) => {
    const started = upcast(event)
    return (
      isOf(started, 'ConversationStarted') &&
      started.data.number === Number(named) &&
      started.meta.tenant === tenantId
    )
  })
  if (found === undefined) throw new Error(`There is no conversation ${named} of that tenant.`)
  return found
}
