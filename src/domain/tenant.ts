import { Type } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { notFound } from './errors.ts'
import { SerialNumber, Time } from './values.ts'

const At = Type.Object({ at: Time })

export const tenantEvents = {
  TenantCreated: eventSchema(
    Type.Object({ number: SerialNumber, name: Type.String(), timeZone: Type.String(), at: Time }),
  ),
  TenantDisabled: eventSchema(At),
  TenantEnabled: eventSchema(At),
}
export type TenantEvent = EventOf<typeof tenantEvents>
export type Tenant = { readonly exists: boolean; readonly disabled: boolean }

/** One customer of this deployment; nothing of it can be reached from another. */
export const Tenant: Decider<Tenant, TenantEvent> = {
  category: 'tenant',
  events: tenantEvents,
  initial: { exists: false, disabled: false },
  evolve: (state, event) => {
    switch (event.type) {
      case 'TenantCreated':
        return { exists: true, disabled: false }
      case 'TenantDisabled':
        return { ...state, disabled: true }
      case 'TenantEnabled':
        return { ...state, disabled: false }
    }
  },
}

type Decision = Decide<Tenant, TenantEvent>

export const createTenant =
  (command: Extract<TenantEvent, { type: 'TenantCreated' }>['data']): Decision =>
  ({ exists }) =>
    exists ? [] : [{ type: 'TenantCreated', data: command }]

export const setDisabled =
  (disabled: boolean, at: string): Decision =>
  (tenant) => {
    if (!tenant.exists) throw notFound('Tenant')
    if (tenant.disabled === disabled) return []
    return [{ type: disabled ? 'TenantDisabled' : 'TenantEnabled', data: { at } }]
  }
