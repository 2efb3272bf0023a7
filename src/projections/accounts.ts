import type { Kysely } from 'kysely'
import { idOfStream } from '../domain/decider.ts'
import type { Role } from '../domain/user.ts'
import type { Database } from './database.ts'
import { projection, put, update } from './projection.ts'

export type TenantRow = {
  id: string
  number: number
  name: string
  time_zone: string
  disabled: boolean
  created_at: string
}

export const tenants = projection<TenantRow>({
  name: 'tenant',
  version: 1,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    name: 'text not null',
    time_zone: 'text not null',
    disabled: 'boolean not null',
    created_at: 'timestamptz not null',
  },
  indexes: [],
  on: {
    TenantCreated: ({ stream, data }) => {
      const id = idOfStream(stream)
      const { number, name, timeZone: time_zone, at: created_at } = data
      return [put<TenantRow>(id, { id, number, name, time_zone, disabled: false, created_at })]
    },
    TenantDisabled: ({ stream }) => [
      update<TenantRow>(idOfStream(stream), (row) => ({ ...row, disabled: true })),
    ],
    TenantEnabled: ({ stream }) => [
      update<TenantRow>(idOfStream(stream), (row) => ({ ...row, disabled: false })),
    ],
  },
})

export type AccountRow = {
  id: string
  number: number
  tenant_id: string
  email: string
  name: string
  role: Role
  password_hash: string
  created_at: string
}

/** The people who can log in. */
export const accounts = projection<AccountRow>({
  name: 'account',
  version: 1,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    email: 'text not null',
    name: 'text not null',
    role: 'text not null',
    password_hash: 'text not null',
    created_at: 'timestamptz not null',
  },
  indexes: ['(tenant_id)'],
  on: {
    UserCreated: ({ stream, data, meta }) => {
      const id = idOfStream(stream)
      const { number, email, name, role, passwordHash: password_hash, at: created_at } = data
      return [
        put<AccountRow>(id, {
          id,
          number,
          tenant_id: meta.tenant,
          email,
          name,
          role,
          password_hash,
          created_at,
        }),
      ]
    },
  },
})

export const listTenants = (db: Kysely<Database>) =>
  db.selectFrom('tenant').selectAll().orderBy('number').execute()

export const findTenant = (db: Kysely<Database>, id: string) =>
  db.selectFrom('tenant').selectAll().where('id', '=', id).executeTakeFirst()

export const findTenantByNumber = (db: Kysely<Database>, number: number) =>
  db.selectFrom('tenant').selectAll().where('number', '=', number).executeTakeFirst()

export const findAccount = (db: Kysely<Database>, id: string) =>
  db.selectFrom('account').selectAll().where('id', '=', id).executeTakeFirst()

export const hasAccounts = async (db: Kysely<Database>) =>
  (await db.selectFrom('account').select('id').limit(1).executeTakeFirst()) !== undefined
