import type { Kysely } from 'kysely'
import { idOfStream } from '../domain/decider.ts'
import type { InstanceStatus, Provider } from '../domain/instance.ts'
import type { Database } from './database.ts'
import { projection, put, remove, update } from './projection.ts'

export type InstanceRow = {
  id: string
  number: number
  tenant_id: string
  name: string
  provider: Provider
  hook_secret: string
  /** What was said before the pairing is wanted, too. */
  imports_past: boolean
  status: InstanceStatus
  /** Whether a session shall be open. */
  wanted: boolean
  phone_number: string | null
  profile_name: string | null
  qr: string | null
  qr_at: string | null
  qr_expires_at: string | null
  /** Messages in a day: 0 for any number, null for what the deployment allows. */
  daily_limit: number | null
  created_at: string
}

type Stored = { readonly stream: string }
const change = ({ stream }: Stored, columns: Partial<InstanceRow>) => [
  update<InstanceRow>(idOfStream(stream), (row) => ({ ...row, ...columns })),
]
const noQr = { qr: null, qr_at: null, qr_expires_at: null }

/** The instances that exist, and how they are connected. */
export const instances = projection<InstanceRow>({
  name: 'instance',
  version: 3,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    name: 'text not null',
    provider: 'text not null',
    hook_secret: 'text not null',
    imports_past: 'boolean not null',
    status: 'text not null',
    wanted: 'boolean not null',
    phone_number: 'text',
    profile_name: 'text',
    qr: 'text',
    qr_at: 'timestamptz',
    qr_expires_at: 'timestamptz',
    daily_limit: 'integer',
    created_at: 'timestamptz not null',
  },
  indexes: ['(tenant_id, number)', '(number)'],
  on: {
    InstanceCreated: ({ stream, data, meta }) => {
      const id = idOfStream(stream)
      return [
        put<InstanceRow>(id, {
          id,
          number: data.number,
          tenant_id: meta.tenant,
          name: data.name,
          provider: data.provider,
          hook_secret: data.hookSecret,
          imports_past: data.importsPast ?? false,
          status: 'pending',
          wanted: true,
          phone_number: null,
          profile_name: null,
          ...noQr,
          daily_limit: null,
          created_at: data.at,
        }),
      ]
    },
    InstanceOpened: (event) => change(event, { status: 'pending', wanted: true }),
    InstanceClosed: (event) => change(event, { wanted: false }),
    InstanceQrIssued: (event) =>
      change(event, {
        status: 'qr_ready',
        qr: event.data.qr,
        qr_at: event.data.at,
        qr_expires_at: event.data.expiresAt ?? null,
      }),
    InstanceConnected: (event) =>
      change(event, {
        status: 'connected',
        phone_number: event.data.phoneNumber,
        profile_name: event.data.profileName ?? null,
        ...noQr,
      }),
    InstanceDisconnected: (event) => change(event, { status: event.data.status, ...noQr }),
    InstanceRenamed: (event) => change(event, { name: event.data.name }),
    InstanceDailyLimitSet: (event) => change(event, { daily_limit: event.data.dailyLimit }),
    InstanceDeleted: ({ stream }) => [remove<InstanceRow>(idOfStream(stream))],
  },
})

export const listInstances = (
  db: Kysely<Database>,
  tenantId: string,
  status?: InstanceStatus,
  onlyId?: string,
) => {
  let query = db.selectFrom('instance').selectAll().where('tenant_id', '=', tenantId)
  if (status !== undefined) query = query.where('status', '=', status)
  if (onlyId !== undefined) query = query.where('id', '=', onlyId)
  return query.orderBy('number').execute()
}

/** All instances of all tenants that shall have a session. */
export const wantedInstances = (db: Kysely<Database>) =>
  db.selectFrom('instance').select(['id', 'tenant_id', 'provider']).where('wanted', '=', true).execute()

/** How some instances are shown beside what belongs to them; one that is gone by its id alone. */
export const instancesAmong = async (db: Kysely<Database>, ids: readonly string[]) => {
  const rows =
    ids.length === 0
      ? []
      : await db
          .selectFrom('instance')
          .select(['id as uuid', 'phone_number', 'status'])
          .where('id', 'in', [...new Set(ids)])
          .execute()
  const known = new Map(rows.map((row) => [row.uuid, row]))
  return (id: string) => known.get(id) ?? { uuid: id, phone_number: null, status: 'disconnected' as const }
}
