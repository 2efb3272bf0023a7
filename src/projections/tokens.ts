import type { Kysely } from 'kysely'
import { idOfStream } from '../domain/decider.ts'
import type { TokenHolder } from '../domain/token.ts'
import type { Database } from './database.ts'
import { projection, put, update } from './projection.ts'

export type TokenRow = {
  id: string
  number: number
  tenant_id: string
  kind: TokenHolder['kind']
  user_id: string | null
  instance_id: string | null
  name: string
  hash: string
  expires_at: string | null
  revoked_at: string | null
  created_at: string
}

/** Tokens by the hash of their secret. */
export const tokens = projection<TokenRow>({
  name: 'token',
  version: 2,
  key: 'id',
  columns: {
    id: 'uuid',
    number: 'bigint not null',
    tenant_id: 'uuid not null',
    kind: 'text not null',
    user_id: 'uuid',
    instance_id: 'uuid',
    name: 'text not null',
    hash: 'text not null',
    expires_at: 'timestamptz',
    revoked_at: 'timestamptz',
    created_at: 'timestamptz not null',
  },
  indexes: ['(hash)', '(instance_id)', '(number)'],
  on: {
    TokenIssued: ({ stream, data, meta }) => {
      const id = idOfStream(stream)
      const { holder } = data
      return [
        put<TokenRow>(id, {
          id,
          number: data.number,
          tenant_id: meta.tenant,
          kind: holder.kind,
          user_id: holder.kind === 'user' ? holder.userId : null,
          instance_id: holder.kind === 'instance' ? holder.instanceId : null,
          name: data.name,
          hash: data.hash,
          expires_at: data.expiresAt ?? null,
          revoked_at: null,
          created_at: data.at,
        }),
      ]
    },
    TokenRevoked: ({ stream, data }) => [
      update<TokenRow>(idOfStream(stream), (row) => ({ ...row, revoked_at: data.at })),
    ],
  },
})

/** Tokens that work, but for those of disabled tenants: a disabled user has none, nor one whose password was set since. */
const liveTokens = (db: Kysely<Database>, now: string) =>
  db
    .selectFrom('token')
    .innerJoin('tenant', 'tenant.id', 'token.tenant_id')
    .leftJoin('account', 'account.id', 'token.user_id')
    .leftJoin('instance', 'instance.id', 'token.instance_id')
    .select([
      'token.id',
      'token.tenant_id',
      'token.kind',
      'token.user_id',
      'token.instance_id',
      'token.expires_at',
      'account.role',
      'tenant.disabled',
    ])
    .where('token.revoked_at', 'is', null)
    .where((or) => or.or([or('token.expires_at', 'is', null), or('token.expires_at', '>', now)]))
    .where((or) => or.or([or('account.disabled', '=', false), or('instance.id', 'is not', null)]))
    .where((or) =>
      or.or([
        or('account.password_set_at', 'is', null),
        or('token.created_at', '>', or.ref('account.password_set_at')),
        or('account.kept_token_id', '=', or.ref('token.id')),
      ]),
    )

/** The live token with this hash, with its user's role, and whether its tenant is disabled. */
export const findLiveToken = (db: Kysely<Database>, hash: string, now: string) =>
  liveTokens(db, now).where('token.hash', '=', hash).executeTakeFirst()

export const isLiveToken = async (db: Kysely<Database>, id: string, now: string) =>
  (await liveTokens(db, now).where('token.id', '=', id).executeTakeFirst()) !== undefined

export const instanceTokens = (db: Kysely<Database>, instanceId: string) =>
  db
    .selectFrom('token')
    .selectAll()
    .where('instance_id', '=', instanceId)
    .where('revoked_at', 'is', null)
    .orderBy('number')
    .execute()

export const findTokenName = async (db: Kysely<Database>, id: string) =>
  (await db.selectFrom('token').select('name').where('id', '=', id).executeTakeFirst())?.name
