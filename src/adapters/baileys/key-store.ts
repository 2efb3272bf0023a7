import {
  BufferJSON,
  proto,
  type SignalDataSet,
  type SignalDataTypeMap,
  type SignalKeyStore,
} from '@whiskeysockets/baileys'
import { coalesce, fulfilled } from '../postgres/coalesce.ts'
import { placeOf } from './cipher.ts'
import { Overtaken, type Opening } from './opening.ts'

/** Calls that leave in one round trip: a message to a large group asks for the session of each member. */
const BATCH_MAX = 256

/** A row of the journal, by the keyed hash of its ciphertext in hex. */
export type InboundRow = {
  readonly message: Buffer | null
  readonly plumbing: boolean
  readonly value: Buffer
}
/** What is written together: keys as the library names them, and what was decrypted with them. */
export type KeySet = SignalDataSet & { readonly inbound?: Readonly<Record<string, InboundRow>> }

const READ = `
select kind, id, value from whatsapp_key
where instance_id = $1 and (kind, id) in (select * from unnest($2::text[], $3::bytea[]))`

/** The row of the session stays locked against another opening until all is written, or nothing is. */
const WRITE = `
with fence as materialized (
  select from whatsapp_session where instance_id = $1 and opening = $2 for share
), put as (
  insert into whatsapp_key (instance_id, kind, id, value)
  select $1, k.kind, k.id, k.value from fence, unnest($3::text[], $4::bytea[], $5::bytea[]) k(kind, id, value)
  on conflict (instance_id, kind, id) do update set value = excluded.value
), gone as (
  delete from whatsapp_key using fence, unnest($6::text[], $7::bytea[]) g(kind, id)
  where instance_id = $1 and whatsapp_key.kind = g.kind and whatsapp_key.id = g.id
), inbound as (
  insert into whatsapp_inbound (instance_id, ciphertext, message, plumbing, value)
  select $1, i.ciphertext, i.message, i.plumbing, i.value
  from fence, unnest($8::bytea[], $9::bytea[], $10::boolean[], $11::bytea[]) with ordinality
    i(ciphertext, message, plumbing, value, n)
  order by i.n
  on conflict (instance_id, ciphertext) do nothing
)
select from fence`

type Key = { readonly kind: string; readonly id: string }
type KeyRow = { readonly kind: string; readonly id: Buffer; readonly value: Buffer }

export const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value, BufferJSON.replacer))
export const decode = (bytes: Buffer): unknown => JSON.parse(bytes.toString(), BufferJSON.reviver)

/** The value of a key, which has been written by `encode`. */
const valueOf = (kind: string, bytes: Buffer): unknown => {
  const value = decode(bytes)
  return kind === 'app-state-sync-key' && typeof value === 'object' && value !== null
    ? proto.Message.AppStateSyncKeyData.fromObject(value)
    : value
}

/**
 * The Signal keys of one session. What one call writes becomes visible at once or not at all; calls that come while another
 * one is under way are written together, in their order. Nothing is kept in memory, so that the table is never contradicted.
 */
export const createKeyStore = ({
  id: opening,
  instanceId,
  pool,
  cipher,
  attempt,
}: Opening): SignalKeyStore => {
  const lookupOf = ({ kind, id }: Key) => cipher.lookup(kind, id)
  const place = (kind: string, lookup: Buffer) => placeOf('whatsapp_key', kind, lookup)

  const read = coalesce<readonly Key[], readonly unknown[]>({
    max: BATCH_MAX,
    run: (asked) =>
      attempt(async () => {
        const keys = asked.flat().map((key) => ({ ...key, lookup: lookupOf(key) }))
        const { rows } = await pool.query<KeyRow>({
          name: 'whatsapp-keys',
          text: READ,
          values: [instanceId, keys.map(({ kind }) => kind), keys.map(({ lookup }) => lookup)],
        })
        const found = new Map(rows.map((row) => [`${row.kind} ${row.id.toString('hex')}`, row.value]))
        const values = keys.map(({ kind, lookup }) => {
          const sealed = found.get(`${kind} ${lookup.toString('hex')}`)
          return sealed && valueOf(kind, cipher.open(place(kind, lookup), sealed))
        })
        let next = 0
        return asked.map(({ length }) => fulfilled(values.slice(next, (next += length))))
      }),
  })

  const write = coalesce<SealedSet, void>({
    max: BATCH_MAX,
    run: (sets) =>
      attempt(async () => {
        // A later call counts: one statement may touch a row only once.
        const keys = new Map(sets.flatMap((set) => set.keys.map((key) => [key.name, key])))
        const put = [...keys.values()].flatMap((key) => (key.value ? [{ ...key, value: key.value }] : []))
        const gone = [...keys.values()].filter(({ value }) => !value)
        const inbound = sets.flatMap((set) => set.inbound)
        const { rowCount } = await pool.query({
          name: 'whatsapp-set-keys',
          text: WRITE,
          values: [
            instanceId,
            opening,
            put.map(({ kind }) => kind),
            put.map(({ lookup }) => lookup),
            put.map(({ value }) => value),
            gone.map(({ kind }) => kind),
            gone.map(({ lookup }) => lookup),
            inbound.map(({ ciphertext }) => ciphertext),
            inbound.map(({ message }) => message),
            inbound.map(({ plumbing }) => plumbing),
            inbound.map(({ value }) => value),
          ],
        })
        if (rowCount === 0) throw new Overtaken(`The session of instance ${instanceId} was opened elsewhere`)
        return sets.map(() => fulfilled(undefined))
      }),
  })

  /** As it is at the call: the library goes on changing what it hands over. */
  const seal = ({ inbound = {}, ...kinds }: KeySet): SealedSet => ({
    keys: Object.entries(kinds).flatMap(([kind, values]) =>
      Object.entries(values).map(([id, value]: [string, unknown]) => {
        const lookup = lookupOf({ kind, id })
        const isGone = value === null || value === undefined
        return {
          name: `${kind} ${id}`,
          kind,
          lookup,
          value: isGone ? undefined : cipher.seal(place(kind, lookup), encode(value)),
        }
      }),
    ),
    inbound: Object.entries(inbound).map(([ciphertext, row]) => ({
      ...row,
      ciphertext: Buffer.from(ciphertext, 'hex'),
    })),
  })

  return {
    get: async <T extends keyof SignalDataTypeMap>(kind: T, ids: string[]) => {
      const values = await read(ids.map((id) => ({ kind, id })))
      const known: Record<string, SignalDataTypeMap[T]> = {}
      ids.forEach((id, n) => {
        // What was written under a kind is of this kind.
        if (values[n] !== undefined) known[id] = values[n] as SignalDataTypeMap[T]
      })
      return known
    },
    set: async (data: SignalDataSet) => {
      const sealed = seal(data)
      if (sealed.keys.length + sealed.inbound.length > 0) await write(sealed)
    },
  }
}

type SealedSet = {
  readonly keys: readonly {
    readonly name: string
    readonly kind: string
    readonly lookup: Buffer
    /** None if the key goes. */
    readonly value: Buffer | undefined
  }[]
  readonly inbound: readonly (InboundRow & { readonly ciphertext: Buffer })[]
}
