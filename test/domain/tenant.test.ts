import { expect, test } from 'vitest'
import { fold } from '../../src/domain/decider.ts'
import { createTenant, setDisabled, Tenant, type TenantEvent } from '../../src/domain/tenant.ts'
import { createUser, User } from '../../src/domain/user.ts'
import { AT } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const tenant = specification(Tenant)
const command = { number: 1, name: 'Acme', timeZone: 'America/Sao_Paulo', at: AT }
const created: TenantEvent = { type: 'TenantCreated', data: command }
const disabled: TenantEvent = { type: 'TenantDisabled', data: { at: AT } }
const enabled: TenantEvent = { type: 'TenantEnabled', data: { at: AT } }

test('a tenant is created once', () => tenant.given().when(createTenant(command)).then(created))
test('a tenant is disabled once', () => tenant.given(created).when(setDisabled(true, AT)).then(disabled))
test('a disabled tenant is enabled once', () =>
  tenant.given(created, disabled).when(setDisabled(false, AT)).then(enabled))
test('a tenant that works need not be enabled', () =>
  tenant.given(created).when(setDisabled(false, AT)).then())
test('an unknown tenant is neither disabled nor enabled', () => {
  tenant.given().when(setDisabled(true, AT)).refuses('NOT_FOUND')
  tenant.given().when(setDisabled(false, AT)).refuses('NOT_FOUND')
})
test('creating a tenant again does not enable it', () => {
  tenant.given(created, disabled).when(createTenant(command)).then()
  expect(fold(Tenant, [created, disabled]).disabled).toBe(true)
})

const person = {
  number: 1,
  email: 'user@example.com',
  name: 'User Name',
  role: 'admin',
  passwordHash: 'scrypt$',
  at: AT,
} as const
test('an address has one account: a second one is refused', () => {
  const user = specification(User)
  user.given().when(createUser(person)).then({ type: 'UserCreated', data: person })
  user.given({ type: 'UserCreated', data: person }).when(createUser(person)).refuses('CONFLICT')
})
