import { randomBytes } from 'node:crypto'
import type { Pool } from 'pg'
import type { Content } from '../../domain/content.ts'
import type { Outgoing } from '../../ports/gateway.ts'
import type { SandboxMessage, SandboxProfile } from '../../ports/sandbox.ts'
import { coalesce, fulfilled, rejected } from '../postgres/coalesce.ts'
import { isConnectionError } from '../postgres/errors.ts'

/** Sends that leave in one round trip. */
const BATCH_MAX = 256

type Arrival = Outgoing & { readonly at: string }
export type StoredPhone = { readonly qr: string; readonly profile?: SandboxProfile }
export type PhoneStore = ReturnType<typeof createPhoneStore>

/** Simulated phones and their outboxes in PostgreSQL. */
export const createPhoneStore = (pool: Pool) => {
  /** The phone of an instance, made if there is none; it keeps its QR code until it is forgotten. */
  const findOrMake = async (instanceId: string): Promise<StoredPhone> => {
    const { rows } = await pool.query<PhoneRow>(
      `insert into sandbox_phone (instance_id, qr) values ($1, $2)
       on conflict (instance_id) do update set qr = sandbox_phone.qr
       returning paired, phone_number, profile_name, qr`,
      [instanceId, newQr()],
    )
    if (!rows[0]) throw new Error('A simulated phone could not be made')
    return phoneOf(rows[0])
  }

  const pair = async (instanceId: string, { phoneNumber, profileName }: SandboxProfile): Promise<void> => {
    await pool.query(
      'update sandbox_phone set paired = true, phone_number = $2, profile_name = $3 where instance_id = $1',
      [instanceId, phoneNumber, profileName ?? null],
    )
  }

  const forget = async (instanceId: string): Promise<void> => {
    await pool.query(
      `with phone as (delete from sandbox_phone where instance_id = $1),
            groups as (delete from sandbox_group where instance_id = $1)
       delete from sandbox_outbox where instance_id = $1`,
      [instanceId],
    )
  }

  const insert = async (arrivals: readonly Arrival[]): Promise<void> => {
    await pool.query({
      name: 'sandbox-receive',
      text: `insert into sandbox_outbox (instance_id, whatsapp_id, chat, content, at)
             select a.instance_id, a.whatsapp_id, a.chat, a.content::json, a.at
             from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) with ordinality
               a(instance_id, whatsapp_id, chat, content, at, n)
             order by a.n
             on conflict (instance_id, whatsapp_id) do update
             set times_received = sandbox_outbox.times_received + 1`,
      values: [
        arrivals.map(({ instanceId }) => instanceId),
        arrivals.map(({ whatsappId }) => whatsappId),
        arrivals.map(({ chat }) => chat),
        arrivals.map(({ content }) => JSON.stringify(content)),
        arrivals.map(({ at }) => at),
      ],
    })
  }

  /** Puts a message into the outbox; one that is there already is counted. */
  const receive = coalesce<Arrival, void>({
    max: BATCH_MAX,
    // One statement may touch a row once only.
    fits: ({ instanceId, whatsappId }, batch) =>
      !batch.some((other) => other.whatsappId === whatsappId && other.instanceId === instanceId),
    run: async (arrivals) => {
      try {
        await insert(arrivals)
        return arrivals.map(() => fulfilled(undefined))
      } catch (error) {
        if (isConnectionError(error) || arrivals.length === 1) throw error
        // One message that the database refuses must not fail its neighbours: each goes alone.
        return Promise.all(arrivals.map((one) => insert([one]).then(() => fulfilled(undefined), rejected)))
      }
    },
  })

  /** Place of a message in the order of arrival, undefined if it is not there. */
  const placeOf = async (instanceId: string, whatsappId: string): Promise<number | undefined> => {
    const { rows } = await pool.query<{ seq: number }>({
      name: 'sandbox-place',
      text: 'select seq from sandbox_outbox where instance_id = $1 and whatsapp_id = $2',
      values: [instanceId, whatsappId],
    })
    return rows[0]?.seq
  }

  const list = async (instanceId: string, after: number, limit: number): Promise<SandboxMessage[]> => {
    const { rows } = await pool.query<SandboxMessage & { content: Content }>({
      name: 'sandbox-outbox',
      text: `select whatsapp_id as "whatsappId", chat, content, at, times_received as "timesReceived"
             from sandbox_outbox where instance_id = $1 and seq > $2 order by seq limit $3`,
      values: [instanceId, after, limit],
    })
    return rows
  }

  return { findOrMake, pair, forget, receive, placeOf, list }
}

type PhoneRow = {
  paired: boolean
  phone_number: string | null
  profile_name: string | null
  qr: string
}

const phoneOf = ({
  paired,
  phone_number: phoneNumber,
  profile_name: profileName,
  qr,
}: PhoneRow): StoredPhone =>
  paired && phoneNumber !== null
    ? { qr, profile: { phoneNumber, ...(profileName !== null && { profileName }) } }
    : { qr }

/** In the form of WhatsApp's own: a reference, two public keys and a secret. */
const newQr = () => `2@${[64, 32, 32, 32].map((bytes) => randomBytes(bytes).toString('base64')).join(',')}`
