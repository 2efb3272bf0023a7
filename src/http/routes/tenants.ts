import { Type } from 'typebox'
import { invalid, notFound } from '../../domain/errors.ts'
import { newId } from '../../domain/ids.ts'
import type { Context } from '../../domain/metadata.ts'
import { setDisabled, Tenant } from '../../domain/tenant.ts'
import { isSerial, isUuid, Uuid } from '../../domain/values.ts'
import { findTenant, findTenantByNumber, listTenants, type TenantRow } from '../../projections/accounts.ts'
import { Email, NewPassword, PersonName } from '../fields.ts'
import { envelope, isoSeconds, ok } from '../format.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'
import { now } from '../times.ts'

const tag = 'Tenants'
const common = { tag, access: 'operator', limit: 'none' } as const
const TenantView = Type.Object({
  uuid: Uuid,
  id: Type.Integer(),
  name: Type.String(),
  time_zone: Type.String(),
  disabled: Type.Boolean(),
  created_at: Type.String(),
})
const tenantView = ({ id, number, name, time_zone, disabled, created_at }: TenantRow) => ({
  uuid: id,
  id: number,
  name,
  time_zone,
  disabled,
  created_at: isoSeconds(created_at),
})

const isTimeZone = (name: string) => {
  try {
    Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** Calls of the operator, who keeps the tenants of this deployment apart and sees nothing of what is in them. */
export const tenantRoutes = ({ db, transact, accounts, caughtUp }: Services) => {
  const contextFor = (tenant: string, correlation: string): Context => ({
    tenant,
    actor: { kind: 'operator' },
    correlation,
  })
  const show = async (id: string) => {
    const row = await findTenant(db, id)
    if (!row) throw new Error(`Tenant ${id} is not in the read model yet`)
    return tenantView(row)
  }
  const idOf = async (ref: string): Promise<string> => {
    if (!isUuid(ref) && !isSerial(ref)) throw notFound('Tenant')
    const row = await (isUuid(ref) ? findTenant(db, ref) : findTenantByNumber(db, Number(ref)))
    if (!row) throw notFound('Tenant')
    return row.id
  }
  const setter = (disabled: boolean) =>
    route({
      ...common,
      method: 'POST',
      path: `/tenants/:id/${disabled ? 'disable' : 'enable'}`,
      operationId: disabled ? 'disableTenant' : 'enableTenant',
      summary: disabled ? 'Disable a tenant: none of its tokens works any more' : 'Enable a tenant again',
      params: Type.Object({ id: Type.String({ description: 'UUID or number of the tenant' }) }),
      successDescription: 'The tenant as it is now.',
      responses: { 200: envelope(Type.Object({ tenant: TenantView })) },
      refusals: ['NOT_FOUND'],
      async handle({ params, request }) {
        const id = await idOf(params.id)
        const decide = setDisabled(disabled, now())
        const { position } = await transact(Tenant, id, decide, contextFor(id, request.id))
        await caughtUp(position, 'tenants')
        return reply(200, ok({ tenant: await show(id) }))
      },
    })

  return [
    route({
      ...common,
      method: 'POST',
      path: '/tenants',
      operationId: 'createTenant',
      summary: 'Create a tenant and its administrator',
      body: Type.Object({
        name: Type.String({ minLength: 1, maxLength: 200 }),
        time_zone: Type.Optional(
          Type.String({ default: 'UTC', description: 'IANA name; days are counted in it' }),
        ),
        admin: Type.Object({
          name: PersonName,
          email: Email,
          password: NewPassword,
        }),
      }),
      successDescription: 'The tenant.',
      responses: { 201: envelope(Type.Object({ tenant: TenantView })) },
      refusals: ['CONFLICT'],
      examples: {
        body: {
          name: 'Acme',
          time_zone: 'America/Sao_Paulo',
          admin: { name: 'Ana', email: 'ana@acme.example', password: 'a long password' },
        },
      },
      async handle({ body, request }) {
        const timeZone = body.time_zone ?? 'UTC'
        if (!isTimeZone(timeZone))
          throw invalid('time_zone', 'must be an IANA time zone such as America/Sao_Paulo')
        const id = newId()
        const context = contextFor(id, request.id)
        // The user first: an address that is taken must not leave a tenant without anybody.
        const user = await accounts.addUser({ ...body.admin, role: 'admin' }, context)
        const tenant = await accounts.addTenant({ id, name: body.name, timeZone }, context)
        await caughtUp(user.position, 'accounts')
        await caughtUp(tenant.position, 'tenants')
        return reply(201, ok({ tenant: await show(id) }, 'Tenant created'))
      },
    }),
    route({
      ...common,
      method: 'GET',
      path: '/tenants',
      operationId: 'listTenants',
      summary: 'All tenants',
      successDescription: 'The tenants.',
      responses: { 200: envelope(Type.Object({ tenants: Type.Array(TenantView) })) },
      handle: async () => reply(200, ok({ tenants: (await listTenants(db)).map(tenantView) })),
    }),
    setter(true),
    setter(false),
  ]
}
