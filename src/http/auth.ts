import type { Kysely } from 'kysely'
import { LRUCache } from 'lru-cache'
import { Refusal } from '../domain/errors.ts'
import { findTenant } from '../projections/accounts.ts'
import type { Database } from '../projections/database.ts'
import { findLiveToken } from '../projections/tokens.ts'
import { verifySignature } from '../domain/sign.ts'
import { hashToken } from '../write/accounts.ts'
import type { Authenticate } from './endpoint.ts'
import type { FindInstance } from './instances.ts'
import { instanceTokenPermissions, rolePermissions, type Permission } from './permissions.ts'
import type { Caller, RouteRequest } from './route.ts'

/** How long another process may go on believing in a token that was revoked. */
const BELIEVED_MS = 2000
const CALLERS_KEPT = 10_000
const TOKEN_LENGTH_MAX = 200

/** Whether a request that has been let in would be let in now: for answers that go on for long. */
export type IsStillAllowed = (
  caller: Caller,
  permission: Permission,
  request: RouteRequest,
) => Promise<boolean>

type Token = NonNullable<Awaited<ReturnType<typeof findLiveToken>>>
type Known = { readonly caller: Caller; readonly expiresAt: string | null }

/** Tells who a request comes from. `forget` is for when tokens, users, tenants or instances have changed. */
export const createAuthentication = (db: Kysely<Database>, findInstance: FindInstance) => {
  const known = new LRUCache<string, Known>({ max: CALLERS_KEPT, ttl: BELIEVED_MS })
  /** Counts the calls of `forget`: what was looked up before one of them is out of date. */
  let generation = 0

  const remember = (key: string, value: Known, since: number) => {
    if (since === generation) known.set(key, value)
  }

  const byToken = async (token: string): Promise<Caller | undefined> => {
    const now = new Date().toISOString()
    const hash = hashToken(token)
    const believed = known.get(hash)
    if (believed && (believed.expiresAt === null || believed.expiresAt > now)) return believed.caller
    const since = generation
    const found = await findLiveToken(db, hash, now)
    if (!found) return undefined
    if (found.disabled) throw tenantDisabled()
    const caller = callerOf(found)
    if (caller) remember(hash, { caller, expiresAt: found.expires_at }, since)
    return caller
  }

  const bySignature = async (request: RouteRequest, instanceRef: string | undefined) => {
    const signature = request.header('x-webhook-signature')
    if (signature === undefined || instanceRef === undefined) return undefined
    const instance = await findInstance(instanceRef)
    if (!instance || !verifySignature(request.rawBody, signature, instance.hook_secret)) return undefined
    const key = `hook ${instance.id}`
    const believed = known.get(key)
    if (believed) return believed.caller
    const since = generation
    if ((await findTenant(db, instance.tenant_id))?.disabled !== false) throw tenantDisabled()
    const caller = hookCaller(instance)
    remember(key, { caller, expiresAt: null }, since)
    return caller
  }

  const authenticate: Authenticate = async (route, request, params) => {
    const token = bearerToken(request.header('authorization'))
    if (token !== undefined) return byToken(token)
    return route.access === 'signed-hook' ? bySignature(request, params['id']) : undefined
  }

  const isStillAllowed: IsStillAllowed = async ({ tokenId }, permission, request) => {
    const token = bearerToken(request.header('authorization'))
    const now = token === undefined ? undefined : await byToken(token).catch(nobodyIfRefused)
    return now?.tokenId === tokenId && now.permissions.has(permission)
  }

  const forget = () => {
    generation++
    known.clear()
  }
  return { authenticate, isStillAllowed, forget }
}

const nobodyIfRefused = (error: unknown): undefined => {
  if (!(error instanceof Refusal)) throw error
}

const tenantDisabled = () => new Refusal('TENANT_DISABLED', 'This account is disabled. Ask your operator.')

const bearerToken = (authorization: string | undefined) => {
  const token = authorization && /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
  return token && token.length <= TOKEN_LENGTH_MAX ? token : undefined
}

const callerOf = ({ id, tenant_id: tenantId, user_id, instance_id, role }: Token): Caller | undefined => {
  if (instance_id !== null)
    return {
      tenantId,
      tokenId: id,
      actor: { kind: 'token', id },
      permissions: instanceTokenPermissions,
      instanceId: instance_id,
    }
  if (user_id === null || role === null) return undefined
  return {
    tenantId,
    tokenId: id,
    actor: { kind: 'user', id: user_id },
    permissions: rolePermissions[role],
    userId: user_id,
  }
}

const hookCaller = (instance: { readonly id: string; readonly tenant_id: string }): Caller => ({
  tenantId: instance.tenant_id,
  tokenId: `hook ${instance.id}`,
  actor: { kind: 'gateway' },
  permissions: new Set(['inbound:write'] as const),
  instanceId: instance.id,
})
