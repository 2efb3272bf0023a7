import type { Kysely } from 'kysely'
import { LRUCache } from 'lru-cache'
import type { AutomationKind, Definition } from '../domain/automation.ts'
import { idOfStream } from '../domain/decider.ts'
import type { Database } from './database.ts'
import { projection, put, remove, update } from './projection.ts'

const INSTANCES_KEPT = 1000
/** How long another process may go on with what it knew of an instance. */
const BELIEVED_MS = 2000

export type AutomationRow = {
  id: string
  number: number
  tenant_id: string
  instance_id: string
  name: string
  kind: AutomationKind
  enabled: boolean
  definition: Definition
  created_at: string
  updated_at: string
}

/** What answers by itself, of every instance. */
export const automations = projection<AutomationRow>({
  name: 'automation',
  version: 1,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    name: 'text not null',
    kind: 'text not null',
    enabled: 'boolean not null',
    definition: 'jsonb not null',
    created_at: 'timestamptz not null',
    updated_at: 'timestamptz not null',
  },
  indexes: ['(instance_id, number)', '(number)'],
  on: {
    AutomationCreated: ({ stream, data, meta }) => {
      const id = idOfStream(stream)
      const { number, instanceId: instance_id, name, kind, enabled, definition, at } = data
      const settings = { name, kind, enabled, definition, created_at: at, updated_at: at }
      return [put<AutomationRow>(id, { id, number, tenant_id: meta.tenant, instance_id, ...settings })]
    },
    AutomationChanged: ({ stream, data: { name, enabled, definition, at } }) => [
      update<AutomationRow>(idOfStream(stream), (row) => ({
        ...row,
        name,
        enabled,
        definition,
        updated_at: at,
      })),
    ],
    AutomationDeleted: ({ stream }) => [remove<AutomationRow>(idOfStream(stream))],
  },
  sweeps: { InstanceDeleted: ({ stream }) => ({ column: 'instance_id', value: idOfStream(stream) }) },
})

/** The automations of an instance, in the order in which they are asked whether a message is theirs. */
export const listAutomations = (db: Kysely<Database>, instanceId: string) =>
  db.selectFrom('automation').selectAll().where('instance_id', '=', instanceId).orderBy('number').execute()

/** Remembers the enabled automations of instances; `forget` is for when automations have changed. */
export const createEnabledAutomations = (db: Kysely<Database>) => {
  const known = new LRUCache<string, readonly AutomationRow[]>({ max: INSTANCES_KEPT, ttl: BELIEVED_MS })
  let changes = 0

  const enabledOf = async (instanceId: string): Promise<readonly AutomationRow[]> => {
    const remembered = known.get(instanceId)
    if (remembered) return remembered
    const before = changes
    const found = (await listAutomations(db, instanceId)).filter(({ enabled }) => enabled)
    // What was read while something changed may be what was there before.
    if (changes === before) known.set(instanceId, found)
    return found
  }
  const forget = () => {
    changes++
    known.clear()
  }
  return { enabledOf, forget }
}
export type EnabledAutomations = ReturnType<typeof createEnabledAutomations>
