import type { Context } from '../domain/metadata.ts'
import type { Caller, RouteRequest } from './route.ts'

/** Who writes, for the metadata of events; the request id is the correlation. */
export const contextOf = (caller: Caller, request: Pick<RouteRequest, 'id'>): Context => ({
  tenant: caller.tenantId,
  actor: caller.actor,
  correlation: request.id,
})
