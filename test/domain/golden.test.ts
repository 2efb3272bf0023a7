import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Type } from 'typebox'
import { describe, expect, test } from 'vitest'
import { catalogue, upcast } from '../../src/domain/catalogue.ts'
import { eventSchema, type EventSchemas } from '../../src/domain/decider.ts'
import { validateEvent } from '../../src/write/validate-event.ts'

/**
 * One example of every shape ever stored, `<type>.v<version>.json`, more of a version with a word behind. They are
 * never edited: a shape that changes gets the next version, an upcaster, and a file of its own.
 */
const FOLDER = join(import.meta.dirname, 'golden')
const golden = readdirSync(FOLDER).map((file) => {
  const [, type = '', version] = /^([A-Za-z]+)\.v(\d+)(?:\.[a-z-]+)?\.json$/.exec(file) ?? []
  const data: unknown = JSON.parse(readFileSync(join(FOLDER, file), 'utf8'))
  if (typeof data !== 'object' || data === null) throw new Error(`${file} is not an object`)
  return { file, type, data, meta: { version: Number(version) } }
})

describe('stored events', () => {
  const shapes = Object.entries(catalogue).flatMap(([type, { version }]) =>
    Array.from({ length: version }, (_, n) => ({ type, version: n + 1 })),
  )
  test.each(shapes)('$type version $version has an example', ({ type, version }) =>
    expect(golden.map(({ type, meta }) => `${type}.v${meta.version}`)).toContain(`${type}.v${version}`),
  )

  test.each(golden)('$file can still be read', (stored) => {
    const version = catalogue[stored.type]?.version
    expect(stored.meta.version).toBeLessThanOrEqual(version ?? 0)
    const event = upcast(stored)
    expect(event.meta.version).toBe(version)
    expect(() => validateEvent(event)).not.toThrow()
  })
})

describe('upcasting', () => {
  const schemas: EventSchemas = {
    ThingMoved: eventSchema(Type.Object({ from: Type.String(), to: Type.String() }), 3, {
      1: ({ place }: { place: string }) => ({ to: place }),
      2: ({ to }: { to: string }) => ({ from: 'unknown', to }),
    }),
    ThingLost: eventSchema(Type.Object({}), 2),
  }
  const stored = (type: string, version: number, data: object) => ({
    type,
    data,
    meta: { version, tenant: 't' },
  })

  test('lifts an old shape step by step to the newest, and says so', () =>
    expect(upcast(stored('ThingMoved', 1, { place: 'here' }), schemas)).toEqual(
      stored('ThingMoved', 3, { from: 'unknown', to: 'here' }),
    ))
  test('begins at the version that was stored', () =>
    expect(upcast(stored('ThingMoved', 2, { to: 'there' }), schemas).data).toEqual({
      from: 'unknown',
      to: 'there',
    }))
  test('leaves the newest shape and unknown types as they are', () => {
    const newest = stored('ThingMoved', 3, { from: 'a', to: 'b' })
    const unknown = stored('Unheard', 1, { what: 'ever' })
    expect(upcast(newest, schemas)).toBe(newest)
    expect(upcast(unknown, schemas)).toBe(unknown)
  })
  test('does not edit what it lifts', () => {
    const old = stored('ThingMoved', 1, { place: 'here' })
    upcast(old, schemas)
    expect(old).toEqual(stored('ThingMoved', 1, { place: 'here' }))
  })
  test('fails by name where a step is missing', () =>
    expect(() => upcast(stored('ThingLost', 1, {}), schemas)).toThrow(/ThingLost from version 1 to 2/))
})

type Schema = {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: unknown
  readonly const?: unknown
  readonly format?: string
  readonly personal?: boolean
}
type Field = { readonly name: string; readonly personal: boolean }

/** Every field that holds text of any kind: not a choice, an id or a time. */
const textFields = (schema: Schema, name = ''): Field[] => [
  ...Object.entries(schema.properties ?? {}).flatMap(([key, field]) => textFields(field, key)),
  ...(schema.anyOf ?? []).flatMap((either) => textFields(either, name)),
  ...(schema.items ? textFields(schema.items, name) : []),
  ...(schema.type === 'string' && !schema.enum && schema.const === undefined && !schema.format
    ? [{ name, personal: schema.personal ?? false }]
    : []),
]

describe('personal fields', () => {
  /** Of people: what they write, are called, and are reached by. */
  const PERSONAL = [
    'MessageQueued: chat text mentions url filename caption name address displayName vcard question options emoji',
    'MessageReceived: chat text mentions url filename caption name address displayName vcard question options emoji chatName sender senderName',
    'MessageSentFromPhone: chat text mentions url filename caption name address displayName vcard question options emoji chatName sender senderName',
    'MessageReacted: by byName emoji',
    'MessageEdited: text',
    'ConversationStarted: chat',
    'ConversationMerged: chat',
    'AddressLinked: from to',
    'AutomationPaused: reason',
    'GroupCreated: chat subject jid',
    'GroupChanged: chat subject description',
    'GroupParticipantsChanged: chat jid',
    'GroupLeft: chat',
    'GroupInviteRevoked: chat',
    'ContactCreated: jid name email company notes',
    'ContactLearned: jid pushName bookName',
    'ContactChanged: name email company notes',
    'ContactMerged: jid',
    'ContactUnited: jid name email company notes pushName bookName',
    'MediaStored: filename sha256',
    'InstanceConnected: phoneNumber profileName',
    'UserCreated: email name',
    'UserChanged: name',
    'AutomationRunAdvanced: value',
    'AutomationRunEnded: reason',
  ]
  /** Of this program, of the operator, or of WhatsApp: each looked at and found to say nothing about a person. */
  const NOT_PERSONAL = [
    'MessageQueued: replyTo mimeType targetWhatsappId description whatsappId',
    'MessageReceived: replyTo mimeType targetWhatsappId description whatsappId',
    'MessageSentFromPhone: replyTo mimeType targetWhatsappId description whatsappId',
    'MediaStored: mimeType key',
    'ConversationPictured: key mimeType',
    'ConversationStarted: aliases',
    'ConversationUnited: aliases',
    'ContactCreated: aliases',
    'ContactLearned: aliases',
    'ContactUnited: aliases',
    'MessageSent: kind',
    'MessageFailed: reason',
    'MessageReacted: targetWhatsappId',
    'InstanceCreated: name hookSecret',
    'InstanceQrIssued: qr',
    'InstanceDisconnected: reason',
    'TagCreated: name color',
    'TagChanged: name color',
    'TenantCreated: name timeZone',
    'TokenIssued: name hash',
    'UserCreated: passwordHash',
    'UserPasswordSet: passwordHash',
    'InstanceRenamed: name',
    'InstanceAssigned: node',
    'WebhookConfigured: url secret',
    'AutomationCreated: name words pattern text media_url caption save_as on reason url secret',
    'AutomationChanged: name words pattern text media_url caption save_as on reason url secret',
    'AutomationRunAdvanced: name',
  ]
  const fieldsOf = (lines: string[]) =>
    lines.flatMap((line) => {
      const [type, names = ''] = line.split(': ')
      return names.split(' ').map((name) => `${type}.${name}`)
    })
  const found = Object.entries(catalogue).flatMap(([type, { data }]) =>
    textFields(data as Schema).map(({ name, personal }) => ({ field: `${type}.${name}`, personal })),
  )
  const named = (personal: boolean) => [
    ...new Set(found.filter((field) => field.personal === personal).map(({ field }) => field)),
  ]

  test('are marked, every one of them', () =>
    expect(named(true).toSorted()).toEqual(fieldsOf(PERSONAL).toSorted()))
  test('are told from all others: a new text field has to be put on one of the two lists', () =>
    expect(named(false).toSorted()).toEqual(fieldsOf(NOT_PERSONAL).toSorted()))
})
