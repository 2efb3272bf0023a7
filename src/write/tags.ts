import { invalid } from '../domain/errors.ts'
import type { Context } from '../domain/metadata.ts'
import { change, create, Tag, type Looks } from '../domain/tag.ts'
import type { Turns } from '../ports/turns.ts'
import type { Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly inTurn: Turns
  /** The tag of a tenant that has a name, whatever its letter case; knows everything written before it is asked. */
  readonly tagNamed: (tenantId: string, name: string) => Promise<string | undefined>
}

/** Tags, each with a name that no other one of the tenant has. */
export const createTags = ({ transact, inTurn, tagNamed }: Parts) => {
  /** One name of a tenant after another, each knowing those before. */
  const withFreeName = <T>(id: string, name: string, { tenant }: Context, task: () => Promise<T>) =>
    inTurn(`tags of ${tenant}`, async () => {
      const taken = await tagNamed(tenant, name)
      if (taken !== undefined && taken !== id) throw invalid('name', 'is taken by another tag')
      return task()
    })

  const now = () => new Date().toISOString()

  return {
    create: (id: string, looks: Looks, context: Context) =>
      withFreeName(id, looks.name, context, () =>
        transact(Tag, id, create(looks, now()), context, { expectNew: true }),
      ),

    change: (id: string, looks: Partial<Looks>, context: Context) => {
      const task = () => transact(Tag, id, change(looks, now()), context)
      return looks.name === undefined ? task() : withFreeName(id, looks.name, context, task)
    },
  }
}
export type Tags = ReturnType<typeof createTags>
