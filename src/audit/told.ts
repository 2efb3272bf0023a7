import type { Kysely } from 'kysely'
import { publicEventId } from '../domain/ids.ts'
import type { Database } from '../projections/database.ts'

/** Ids that are looked at before others have their turn. */
const PAGE = 10_000
const FIRST = '00000000-0000-0000-0000-000000000000'
/** Ids that are derived from something are of version 5. */
const DERIVED = /^.{14}5/

/**
 * Id of the stored event that a public event was made of, though nothing of the public one is kept: its id is derived
 * from that of the stored one, which tells of one thing at most. It takes a look at every id in the log, some seconds for
 * a million.
 */
export const storedEventOf = async (db: Kysely<Database>, publicId: string): Promise<string | undefined> => {
  if (!DERIVED.test(publicId)) return undefined
  for (let after: string | undefined = FIRST; after !== undefined;) {
    const query = db.selectFrom('audit_event').select('id').where('id', '>', after).orderBy('id').limit(PAGE)
    const rows: { id: string }[] = await query.execute()
    const found = rows.find(({ id }) => publicEventId(id, 0) === publicId)
    if (found) return found.id
    after = rows.at(-1)?.id
  }
  return undefined
}
