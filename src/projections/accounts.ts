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
  disabled: boolean
  /** Tokens that are not newer have ended, but for the one that it was changed with. */
  password_set_at: string | null
  kept_token_id: string | null
  created_at: string
}

const changeAccount = ({ stream }: { readonly stream: string }, columns: Partial<AccountRow>) => [
  update<AccountRow>(idOfStream(stream), (row) => ({ ...row, ...columns })),
]

/** The people who can log in. */
export const accounts = projection<AccountRow>({
  name: 'account',
  version: 2,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    email: 'text not null',
    name: 'text not null',
    role: 'text not null',
    password_hash: 'text not null',
    disabled: 'boolean not null',
    password_set_at: 'timestamptz',
    kept_token_id: 'uuid',
    created_at: 'timestamptz not null',
  },
  indexes: ['(tenant_id, number)'],
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
          disabled: false,
          password_set_at: null,
          kept_token_id: null,
          created_at,
        }),
      ]
    },
    UserChanged: (event) => {
      const { at: _at, ...changed } = event.data
      return changeAccount(event, changed)
    },
    UserDisabled: (event) => changeAccount(event, { disabled: true }),
    UserEnabled: (event) => changeAccount(event, { disabled: false }),
    UserPasswordSet: (event) => {
      const { passwordHash, keptTokenId = null, at } = event.data
      return changeAccount(event, {
        password_hash: passwordHash,
        password_set_at: at,
        kept_token_id: keptTokenId,
      })
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

export const findAccountByNumber = (db: Kysely<Database>, number: number, tenantId: string) =>
  db
    .selectFrom('account')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('number', '=', number)
    .executeTakeFirst()

/** One page of a tenant's users, in the order in which they came, and how many there are. */
export const listAccounts = async (
  db: Kysely<Database>,
  tenantId: string,
  { perPage, offset }: { readonly perPage: number; readonly offset: number },
) => {
  const query = db.selectFrom('account').where('tenant_id', '=', tenantId)
  const [rows, { total }] = await Promise.all([
    query.selectAll().orderBy('number').limit(perPage).offset(offset).execute(),
    query.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
  ])
  return { rows, total }
}

/** Whether the tenant has an administrator who can log in, beside a user. */
export const hasOtherAdmin = async (db: Kysely<Database>, tenantId: string, userId: string) => {
  const found = await db
    .selectFrom('account')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('role', '=', 'admin')
    .where('disabled', '=', false)
    .where('id', '!=', userId)
    .limit(1)
    .executeTakeFirst()
  return found !== undefined
}

export const hasAccounts = async (db: Kysely<Database>) =>
  (await db.selectFrom('account').select('id').limit(1).executeTakeFirst()) !== undefined
