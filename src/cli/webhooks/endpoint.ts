import type { Pool } from 'pg'

export type Endpoint = {
  readonly id: string
  readonly tenantId: string
  readonly instanceId: string
  readonly url: string
  readonly active: boolean
  /** By public event type, the name under which it gets each. */
  readonly names: Readonly<Record<string, string>>
}

/** The endpoint that is named by its own id, or by the id or the number of its instance. */
export const findEndpoint = async (pool: Pool, named: string): Promise<Endpoint> => {
  const { rows } = await pool.query<Endpoint>(
    `select w.id, w.tenant_id as "tenantId", w.instance_id as "instanceId", w.url, w.active, w.names
     from webhook_endpoint w left join instance i on i.id = w.instance_id
     where lower($1) in (w.id::text, w.instance_id::text, i.number::text) order by w.id::text = lower($1) desc limit 1`,
    [named],
  )
  const [endpoint] = rows
  if (!endpoint) throw new Error(`There is no webhook endpoint ${named}.`)
  if (!endpoint.active) throw new Error(`The webhook endpoint ${named} is switched off: switch it on first.`)
  return endpoint
}

/** Whether a server is at work on a database. */
export const isServed = async (pool: Pool): Promise<boolean> => {
  const { rowCount } = await pool.query(
    `select from pg_stat_activity where datname = current_database() and application_name = 'zapini' limit 1`,
  )
  return rowCount === 1
}
