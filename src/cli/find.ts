import { idOfStream } from '../domain/decider.ts'
import { isSerial, isUuid } from '../domain/values.ts'
import { START, type EventStore, type Recorded } from '../ports/event-store.ts'
import { eventsOf, type LogReader } from '../read-log.ts'
import { WrongUsage } from './command.ts'

/** The log, sealed or not: what is looked for here is not personal. */
type Log = LogReader & Pick<EventStore, 'readStream'>

/**
 * The id of what has, or had, a number. What is deleted is in no table: the log is looked through. Numbers of a kind are
 * given once, whoever the tenant is.
 */
export const idOfNumber = async (log: Log, category: string, number: number): Promise<string | undefined> => {
  for await (const { stream, data } of eventsOf(log, START, await log.head()))
    if (stream.startsWith(`${category}-`) && 'number' in data && data.number === number)
      return idOfStream(stream)
  return undefined
}

/** The first event of what is named by its UUID or its number. */
const find = async (log: Log, category: string, named: string): Promise<Recorded> => {
  if (!isUuid(named) && !isSerial(named))
    throw new WrongUsage(`A ${category} is named by its UUID or its number.`)
  const id = isUuid(named) ? named.toLowerCase() : await idOfNumber(log, category, Number(named))
  const [first] = id === undefined ? [] : await log.readStream(`${category}-${id}`)
  if (!first) throw new Error(`There is no ${category} ${named}.`)
  return first
}

/** The id of a tenant. */
export const findTenant = async (log: Log, named: string): Promise<string> =>
  idOfStream((await find(log, 'tenant', named)).stream)

/** The id of a conversation; of a tenant, if one is given. */
export const findConversation = async (log: Log, named: string, tenantId?: string): Promise<string> => {
  const { stream, meta } = await find(log, 'conversation', named)
  if (tenantId !== undefined && meta.tenant !== tenantId)
    throw new Error(`There is no conversation ${named} of that tenant.`)
  return idOfStream(stream)
}
