import type { Kysely } from 'kysely'
import type { Database } from './database.ts'

/** How many rows of a list an instance has: its conversations, or the people that it knows. */
export const countOfInstance = async (
  db: Kysely<Database>,
  table: 'contact' | 'conversation',
  instance: { readonly id: string; readonly tenant_id: string },
) => {
  const { count } = await db
    .selectFrom(table)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('tenant_id', '=', instance.tenant_id)
    .where('instance_id', '=', instance.id)
    .executeTakeFirstOrThrow()
  return count
}
