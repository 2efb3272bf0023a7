import { hkdfSync, randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Pool } from 'pg'
import { StoreUnavailable } from '../../ports/event-store.ts'
import { DESTROYED, type KnownKey, type SealingKey, type SealingKeys } from '../../ports/sealing-keys.ts'
import { coalesce, fulfilled } from './coalesce.ts'
import { isConnectionError } from './errors.ts'
import { followKeyNews, TRUSTED_MS } from './key-news.ts'

const KEY_BYTES = 32
const BATCH_MAX = 256
const KEYS_KEPT = 50_000
/** Looked for again, if one of them changed meanwhile. */
const LOOKS_MAX = 5
/** After all nodes have heard of it, or have ceased to trust their memory: appends that were under way by then. */
const OTHERS_MS = TRUSTED_MS + 500

type Row = { id: string; owner: string; seed: Buffer | null; master: boolean }

const IN_USE = `
with wanted as (
  select * from unnest($1::uuid[], $2::uuid[], $3::bytea[]) w(owner, id, seed)
), found as (
  select k.id, k.owner, k.seed, k.master from wanted w join sealing_key k on k.owner = w.owner and k.state = 'in use'
), made as (
  insert into sealing_key as k (owner, id, seed, master)
  select w.owner, w.id, w.seed, $4 from wanted w
  where not exists (select from found f where f.owner = w.owner) order by w.owner
  on conflict (owner) where state = 'in use' do update set state = 'in use'
  returning k.id, k.owner, k.seed, k.master
)
select * from found union all select * from made`

const TAKE_DESTROYED = `
insert into sealing_key (id, owner, state, master, destroyed_at)
select id, owner, 'destroyed', false, now() from json_to_recordset($1) as key(id uuid, owner uuid)
on conflict (id) do nothing`

type Options = {
  /** Durable: what is sealed with a key must not outlive it. */
  readonly pool: Pool
  /** Has a connection to spare, over which this process hears of the others. */
  readonly listenPool: Pool
  /** The key that opens no seal by itself, and without which none that was made with it opens. */
  readonly master: Buffer | undefined
  /** Nobody but this process appends, so that nobody else has to be waited for. */
  readonly alone: boolean
  readonly onError: (error: unknown) => void
}

/** The keys in PostgreSQL, beside the log or not. A process remembers those it has seen while it hears of their end. */
export const postgresSealingKeys = (options: Options): SealingKeys & { close(): Promise<void> } => {
  const { pool, listenPool, master, alone, onError } = options
  /** Those in use, by owner. */
  const used = new LRUCache<string, SealingKey>({ max: KEYS_KEPT })
  const known = new LRUCache<string, KnownKey>({ max: KEYS_KEPT })
  const uses = createUses()
  /** Rises when a key changes: what was asked before then is not remembered. */
  let changes = 0

  const forget = (id: string, owner: string) => {
    changes++
    known.delete(id)
    used.delete(owner)
  }
  const forgetAll = () => {
    changes++
    known.clear()
    used.clear()
  }
  const news = followKeyNews({ pool: listenPool, onChanged: forget, onMissed: forgetAll, onError })

  const keyOf = ({ id, owner, seed, master: withMaster }: Row): KnownKey => {
    if (seed === null) return DESTROYED
    if (withMaster && !master) throw new Error('A key was made with ENCRYPTION_KEY, which is not there')
    const salt = withMaster && master ? master : Buffer.alloc(0)
    const secret = hkdfSync('sha256', seed, salt, `zapini sealing key ${id}`, KEY_BYTES)
    return { id, owner, secret: Buffer.from(secret) }
  }

  const query = <R extends object>(name: string, text: string, values: unknown[]): Promise<R[]> =>
    pool.query<R>({ name, text, values }).then(
      ({ rows }) => rows,
      (error: unknown) => {
        if (!isConnectionError(error)) throw error
        throw new StoreUnavailable('The keys of the log cannot be reached', { cause: error })
      },
    )

  const inUse = coalesce<string, SealingKey | undefined>({
    max: BATCH_MAX,
    run: async (asked) => {
      const owners = [...new Set(asked)]
      const before = changes
      const rows = await query<Row>('keys-in-use', IN_USE, [
        owners,
        owners.map(() => randomUUID()),
        owners.map(() => randomBytes(KEY_BYTES)),
        master !== undefined,
      ])
      const found = new Map<string, SealingKey>()
      for (const row of rows) {
        const key = keyOf(row)
        if (key === DESTROYED) continue
        found.set(key.owner, key)
        if (changes !== before) continue
        used.set(key.owner, key)
        known.set(key.id, key)
      }
      return asked.map((owner) => fulfilled(found.get(owner)))
    },
  })

  const keysInUse = async (owners: readonly string[]) => {
    const keys = new Map<string, SealingKey>()
    const take = (key: SealingKey | undefined) => key && keys.set(key.owner, key)
    if (news.isCurrent()) for (const owner of owners) take(used.get(owner))
    const missing = owners.filter((owner) => !keys.has(owner))
    for (const key of await Promise.all(missing.map(inUse))) take(key)
    if (keys.size < owners.length) throw new Error('A key in use is neither there nor could it be made')
    return keys
  }

  const use: SealingKeys['use'] = async (owners) => {
    const end = await uses.begin(owners)
    try {
      return { keys: await keysInUse(owners), end }
    } catch (error) {
      end()
      throw error
    }
  }

  /** What is destroyed stays so. */
  const recall = (id: string) => {
    const key = known.get(id)
    return key === DESTROYED || news.isCurrent() ? key : undefined
  }

  const look = async (ids: readonly string[], looks = 1): Promise<ReadonlyMap<string, KnownKey>> => {
    const before = changes
    const text = 'select id, owner, seed, master from sealing_key where id = any($1::uuid[])'
    const rows = await query<Row>('keys-by-id', text, [ids])
    if (changes !== before && looks < LOOKS_MAX) return look(ids, looks + 1)
    const found = new Map(rows.map((row) => [row.id, keyOf(row)]))
    if (changes === before) for (const [id, key] of found) known.set(id, key)
    return found
  }

  const find = coalesce<readonly string[], ReadonlyMap<string, KnownKey>>({
    max: BATCH_MAX,
    run: async (asked) => {
      const found = new Map<string, KnownKey>()
      const missing = [...new Set(asked.flat())].filter((id) => {
        const key = recall(id)
        if (key) found.set(id, key)
        return !key
      })
      const all = missing.length > 0 ? new Map([...found, ...(await look(missing))]) : found
      return asked.map(() => fulfilled(all))
    },
  })

  const retired: SealingKeys['retired'] = async (owners) => {
    const text = `select id from sealing_key where owner = any($1::uuid[]) and state = 'retired'`
    return (await query<{ id: string }>('keys-of-owners', text, [owners])).map(({ id }) => id)
  }

  const retireNow = async (owners: readonly string[]) => {
    const text = `update sealing_key set state = 'retired' where owner = any($1::uuid[]) and state = 'in use' returning id, owner`
    for (const { id, owner } of await query<{ id: string; owner: string }>('retire-keys', text, [owners]))
      forget(id, owner)
    await uses.untilEnded(owners)
  }

  const retire: SealingKeys['retire'] = async (owners, meanwhile) => {
    if (meanwhile)
      await uses.holding(owners, async () => {
        // Or it would come before what is done meanwhile, under the next key.
        await uses.untilEnded(owners)
        await retireNow(owners)
        await meanwhile()
      })
    else await retireNow(owners)
    const ids = await retired(owners)
    if (ids.length > 0 && !alone) await sleep(OTHERS_MS)
    return ids
  }

  const destroy: SealingKeys['destroy'] = async (ids) => {
    const states = await query<{ id: string; owner: string; in_use: boolean }>(
      'destroy-keys',
      `with destroyed as (
         update sealing_key set state = 'destroyed', seed = null, destroyed_at = now()
         where id = any($1::uuid[]) and state = 'retired'
       )
       select id, owner, state = 'in use' as in_use from sealing_key where id = any($1::uuid[])`,
      [ids],
    )
    for (const { id, owner } of states) forget(id, owner)
    if (states.some(({ in_use }) => in_use)) throw new Error('A key is retired before it is destroyed')
  }

  const takeDestroyed: SealingKeys['takeDestroyed'] = async (keys) =>
    void (await query('take-destroyed-keys', TAKE_DESTROYED, [JSON.stringify(keys)]))

  return {
    use,
    recall,
    find,
    retire,
    retired,
    destroy,
    changes: () => changes,
    takeDestroyed,
    close: news.close,
  }
}

/** Who is sealing with whose keys at this moment, and for whom that has to wait. */
const createUses = () => {
  const underWay = new Set<{ readonly owners: readonly string[]; readonly ended: Promise<void> }>()
  const held = new Map<string, Promise<void>>()

  const untilFree = async (owners: readonly string[], then: () => void) => {
    const holds = () => owners.flatMap((owner) => held.get(owner) ?? [])
    for (let before = holds(); before.length > 0; before = holds()) await Promise.all(before)
    // At once: nobody comes in between.
    then()
  }

  return {
    /** Answers what to call at the end. */
    begin: async (owners: readonly string[]) => {
      const { promise: ended, resolve } = withResolve()
      const one = { owners, ended }
      await untilFree(owners, () => underWay.add(one))
      return () => {
        underWay.delete(one)
        resolve()
      }
    },
    /** What was begun for some owners by now is over. */
    untilEnded: async (owners: readonly string[]) => {
      const ending = [...underWay].filter((one) => one.owners.some((owner) => owners.includes(owner)))
      await Promise.all(ending.map(({ ended }) => ended))
    },
    /** Nothing begins for some owners until the task is done. */
    holding: async (owners: readonly string[], task: () => Promise<void>) => {
      const { promise: hold, resolve: release } = withResolve()
      await untilFree(owners, () => owners.forEach((owner) => held.set(owner, hold)))
      try {
        await task()
      } finally {
        for (const owner of owners) held.delete(owner)
        release()
      }
    },
  }
}

const withResolve = () => {
  let resolve = () => {}
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve: () => resolve() }
}
