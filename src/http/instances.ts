import type { Kysely } from 'kysely'
import { LRUCache } from 'lru-cache'
import { notFound, Refusal } from '../domain/errors.ts'
import { isSerial, isUuid } from '../domain/values.ts'
import type { Database } from '../projections/database.ts'
import type { InstanceRow } from '../projections/instances.ts'
import type { Caller } from './route.ts'

const KEPT = 5000
/** How long another process may go on with what it knew of an instance. */
const BELIEVED_MS = 2000

/** What does not change about an instance while it exists, for routing a call to it. */
export type InstanceRef = Pick<InstanceRow, 'id' | 'number' | 'tenant_id' | 'provider' | 'hook_secret'>
/** The instance that a caller names, by UUID or number. */
export type ResolveInstance = (caller: Caller, ref: string) => Promise<{ readonly id: string }>
export type FindInstance = (ref: string) => Promise<InstanceRef | undefined>

/** Finds instances by UUID or number and remembers them; `forget` is for when instances have changed. */
export const createInstanceFinder = (db: Kysely<Database>) => {
  const known = new LRUCache<string, InstanceRef>({ max: KEPT, ttl: BELIEVED_MS })
  /** Counts the calls of `forget`: what was looked up before one of them is out of date. */
  let generation = 0
  const query = db.selectFrom('instance').select(['id', 'number', 'tenant_id', 'provider', 'hook_secret'])

  const find: FindInstance = async (ref) => {
    const remembered = known.get(ref)
    if (remembered) return remembered
    if (!isUuid(ref) && !isSerial(ref)) return undefined
    const since = generation
    const found = await (
      isUuid(ref) ? query.where('id', '=', ref.toLowerCase()) : query.where('number', '=', Number(ref))
    ).executeTakeFirst()
    if (found && since === generation) known.set(ref, found)
    return found
  }

  /** The instance that a caller names; NOT_FOUND for one that is not the caller's to see. */
  const ofCaller = async (caller: Caller, ref: string): Promise<InstanceRef> => {
    const instance = await find(ref)
    const visible =
      instance?.tenant_id === caller.tenantId &&
      (caller.instanceId === undefined || caller.instanceId === instance.id)
    if (!instance || !visible) throw notFound('Instance')
    return instance
  }

  /** The only instance that a list shall show: the one named, or the token's; undefined for all of the tenant. */
  const only = async (caller: Caller, ref: string | undefined): Promise<string | undefined> =>
    ref === undefined ? caller.instanceId : (await ofCaller(caller, ref)).id

  /** The instance a call means that does not name one in its path: the one named, the token's, the host's, the only one. */
  const meant = async (caller: Caller, ref: string | undefined, host: string): Promise<InstanceRef> => {
    if (ref !== undefined) return ofCaller(caller, ref)
    if (caller.instanceId !== undefined) return ofCaller(caller, caller.instanceId)
    const inHost = /^instance-([\w-]+)\./i.exec(host)?.[1]
    if (inHost !== undefined) return ofCaller(caller, inHost)
    const [only, second] = await query.where('tenant_id', '=', caller.tenantId).limit(2).execute()
    if (only && !second) return only
    throw new Refusal(
      'INSTANCE_REQUIRED',
      'Say which instance is meant: give instance_id, or use its token.',
      {
        instance_id: ['is required when there is not exactly one instance'],
      },
    )
  }

  const forget = () => {
    generation++
    known.clear()
  }
  return { find, ofCaller, only, meant, forget }
}
export type Instances = ReturnType<typeof createInstanceFinder>
