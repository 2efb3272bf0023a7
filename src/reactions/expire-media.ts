import { randomUUID } from 'node:crypto'
import type { Kysely } from 'kysely'
import { discard, Media } from '../domain/media.ts'
import type { Database } from '../projections/database.ts'
import { expiredMedia } from '../projections/media.ts'
import type { Transact } from '../write/transact.ts'

/** Taken at once; what is left is taken the next time. */
const PAGE = 1000

type Parts = { readonly db: Kysely<Database>; readonly transact: Transact }

/** Deletes the files whose time was over at `now`. Done twice, or by two processes, it is done once. */
export const createMediaExpiry =
  ({ db, transact }: Parts) =>
  async (now: string) => {
    for (const { id, tenant_id: tenant } of await expiredMedia(db, now, PAGE))
      await transact(Media, id, discard('expired', now), {
        tenant,
        actor: { kind: 'system' },
        correlation: randomUUID(),
      })
  }
