import { stringify } from 'csv-stringify/sync'
import type { AuditLine, Cause, ShownActor } from '../../audit/lines.ts'
import { printable } from '../printable.ts'

export const formats = ['timeline', 'jsonl', 'csv'] as const
export type Format = (typeof formats)[number]

/** With the tenant, since an operator sees all of them. */
export type TenantLine = AuditLine & { readonly tenant_id: string }

const ACTOR_WIDTH = 22
const TENANT_WIDTH = 14
const SHORT_ID = 8

const clipped = (text: string, width: number) => {
  const characters = Array.from(text)
  const shown = characters.length > width ? [...characters.slice(0, width - 1), '…'] : characters
  return shown.join('') + ' '.repeat(width - shown.length)
}

export const actorText = ({ kind, id, name }: ShownActor) =>
  id === null ? kind : `${kind} ${name ?? id.slice(0, SHORT_ID)}`

const originOf = ({ kind }: ShownActor) => {
  if (kind === 'gateway') return 'WhatsApp'
  return kind === 'system' || kind === 'automation' ? 'itself' : 'request'
}
/** The event that led to it, or what set it off. */
const causeText = ({ type, causation_id, correlation_id }: Cause, actor: ShownActor) =>
  causation_id === null
    ? `${originOf(actor)} ${correlation_id.slice(0, SHORT_ID)}`
    : `${type ?? 'event'} ${causation_id.slice(0, SHORT_ID)}`

const timelineText = ({ at, actor, summary, cause, tenant_id: tenant }: TenantLine, tenants: TenantNames) =>
  printable(
    [
      at,
      ...(tenants ? [clipped(tenants.get(tenant) ?? tenant.slice(0, SHORT_ID), TENANT_WIDTH)] : []),
      clipped(actorText(actor), ACTOR_WIDTH),
      summary,
      `← ${causeText(cause, actor)}`,
    ].join('  '),
  )

const columns = [
  'tenant_id',
  'at',
  'type',
  'summary',
  'actor_kind',
  'actor_id',
  'actor_name',
  'correlation_id',
  'causation_id',
  'cause_type',
  'cause_stream',
  'id',
  'stream',
  'revision',
  'about',
  'erased',
  'data',
]
const record = ({ actor, cause, about, erased, data, ...line }: TenantLine) => ({
  ...line,
  actor_kind: actor.kind,
  actor_id: actor.id,
  actor_name: actor.name,
  correlation_id: cause.correlation_id,
  causation_id: cause.causation_id,
  cause_type: cause.type,
  cause_stream: cause.stream,
  about: about.join(' '),
  erased: String(erased ?? false),
  data: JSON.stringify(data),
})
/** A carriage return begins a line, too, for some who read it; what stood behind it would be a cell of its own. */
const csv = (records: readonly object[], header: boolean) =>
  stringify([...records], { columns, header, escape_formulas: true, quoted_match: '\r' })

/** Names of tenants, where lines of several stand beside each other. */
export type TenantNames = ReadonlyMap<string, string> | undefined
type Writing = {
  readonly head: string
  readonly page: (lines: readonly TenantLine[], tenants: TenantNames) => string
}

/** How lines are written in each format: what comes first, and a page of them. */
export const writings: Readonly<Record<Format, Writing>> = {
  timeline: {
    head: '',
    page: (lines, tenants) => lines.map((line) => `${timelineText(line, tenants)}\n`).join(''),
  },
  jsonl: { head: '', page: (lines) => lines.map((line) => `${JSON.stringify(line)}\n`).join('') },
  csv: { head: csv([], true), page: (lines) => csv(lines.map(record), false) },
}
