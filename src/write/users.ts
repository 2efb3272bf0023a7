import type { Decide } from '../domain/decider.ts'
import type { Context } from '../domain/metadata.ts'
import {
  changeUser,
  disableUser,
  enableUser,
  setPassword,
  User,
  type Role,
  type UserEvent,
} from '../domain/user.ts'
import type { Turns } from '../ports/turns.ts'
import { hashPassword } from './passwords.ts'
import type { Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly inTurn: Turns
  /** Whether the tenant has an administrator who can log in beside a user; knows everything written before it is asked. */
  readonly hasOtherAdmin: (tenantId: string, userId: string) => Promise<boolean>
}

/** Changes to the people who log in. */
export const createUsers = ({ transact, inTurn, hasOtherAdmin }: Parts) => {
  /** One change of a tenant's users at a time: two administrators cannot take the role from each other at once. */
  const judged = (
    id: string,
    decide: (isOnlyAdmin: boolean, at: string) => Decide<User, UserEvent>,
    context: Context,
  ) =>
    inTurn(`users of ${context.tenant}`, async () => {
      const isOnlyAdmin = !(await hasOtherAdmin(context.tenant, id))
      return transact(User, id, decide(isOnlyAdmin, new Date().toISOString()), context)
    })

  const change = (id: string, wanted: { name?: string; role?: Role }, context: Context) =>
    judged(id, (isOnlyAdmin, at) => changeUser(wanted, isOnlyAdmin, at), context)

  const disable = (id: string, context: Context) => {
    const isSelf = context.actor.kind === 'user' && context.actor.id === id
    return judged(id, (isOnlyAdmin, at) => disableUser({ isSelf, isOnlyAdmin }, at), context)
  }

  const enable = (id: string, context: Context) =>
    transact(User, id, enableUser(new Date().toISOString()), context)

  /** `keptTokenId`: the token of a user who sets his own password; all others of the user end. */
  const replacePassword = async (
    id: string,
    password: string,
    keptTokenId: string | undefined,
    context: Context,
  ) => {
    const hash = await hashPassword(password)
    return transact(User, id, setPassword(hash, keptTokenId, new Date().toISOString()), context)
  }

  return { change, disable, enable, replacePassword }
}
export type Users = ReturnType<typeof createUsers>
