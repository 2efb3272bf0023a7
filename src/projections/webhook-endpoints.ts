import type { Kysely } from 'kysely'
import { idOfStream } from '../domain/decider.ts'
import { subscribedNames, type Subscribable } from '../domain/webhook.ts'
import type { Database } from './database.ts'
import { projection, put } from './projection.ts'

export type WebhookEndpointRow = {
  id: string
  tenant_id: string
  instance_id: string
  url: string
  secret: string
  events: Subscribable[] | null
  /** By public event type, the name under which the endpoint gets it. */
  names: Record<string, string>
  active: boolean
  updated_at: string
}

/** Where public events go. */
export const webhookEndpoints = projection<WebhookEndpointRow>({
  name: 'webhook_endpoint',
  version: 2,
  key: 'id',
  columns: {
    id: 'uuid',
    tenant_id: 'uuid not null',
    instance_id: 'uuid not null',
    url: 'text not null',
    secret: 'text not null',
    events: 'jsonb',
    names: 'jsonb not null',
    active: 'boolean not null',
    updated_at: 'timestamptz not null',
  },
  indexes: ['(instance_id)'],
  on: {
    WebhookConfigured: ({ stream, data, meta }) => {
      const id = idOfStream(stream)
      return [
        put<WebhookEndpointRow>(id, {
          id,
          tenant_id: meta.tenant,
          instance_id: data.instanceId,
          url: data.url,
          secret: data.secret,
          events: data.events,
          names: subscribedNames(data.events),
          active: data.active,
          updated_at: data.at,
        }),
      ]
    },
  },
})

export const findWebhookEndpoint = (db: Kysely<Database>, id: string) =>
  db.selectFrom('webhook_endpoint').selectAll().where('id', '=', id).executeTakeFirst()
