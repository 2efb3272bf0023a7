import { Type, type TSchemaOptions } from 'typebox'
import { invalid, type Refusal } from './errors.ts'

export const Uuid = Type.String({ format: 'uuid' })
export const Time = Type.String({ format: 'date-time' })
/** A small whole number that people see (`id: 456`). It stands in the event, so that a rebuild keeps it. */
export const SerialNumber = Type.Integer({ minimum: 1 })

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i
const SERIAL = /^[1-9]\d{0,14}$/
export const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)
/** A JSON object: neither a list nor null. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const isSerial = (text: string) => SERIAL.test(text)

/** Marks a field of a stored event as personal: names, numbers, text, media. Erasure and encryption go by this mark. */
export const PersonalText = Type.String({ personal: true })
/** Stands for what was personal and has been erased. */
export const ERASED = '[erased]'
/** Of this program's, and nobody's to read: sealed in the log like what is personal. */
export const SecretText = Type.String({ secret: true })

export const literals = <const L extends string[]>(values: readonly [...L], options: TSchemaOptions = {}) =>
  Type.Enum<L>(values, options)

const PERSON = 's.whatsapp.net'
const GROUP = 'g.us'
/** People whose number is not shown: the digits are an id. */
const HIDDEN = 'lid'
const MIN_DIGITS = 5
const MAX_DIGITS = 20

export const isGroup = (jid: string) => jid.endsWith(`@${GROUP}`)

/** `5511999999999@s.whatsapp.net` and `5511999999999:12@s.whatsapp.net` give `5511999999999`; a group gives its id. */
export const numberOf = (jid: string) => jid.split('@', 1)[0]?.split(':', 1)[0] ?? jid

/**
 * The JID that a person or group is known by, from whatever a caller writes: `+55 11 99999-9999`, digits, or a JID.
 * Device suffixes are dropped, so that one person is one chat. Throws a refusal naming `field`.
 */
export const toJid = (text: string, field: string): string => {
  const [name = '', server, ...more] = text.trim().split('@')
  if (more.length > 0) throw notANumber(field)
  if (server === GROUP && /^\d[\d-]{4,39}$/.test(name)) return `${name}@${GROUP}`
  if (server !== undefined && server !== PERSON && server !== 'c.us' && server !== HIDDEN)
    throw notANumber(field)
  const digits = server === undefined ? name.replace(/[\s().+-]/g, '') : numberOf(name)
  if (!/^\d+$/.test(digits) || digits.length < MIN_DIGITS || digits.length > MAX_DIGITS)
    throw notANumber(field)
  return `${digits}@${server === HIDDEN ? HIDDEN : PERSON}`
}

/** The JID of a person, as `toJid` has it; a group is refused. */
export const toPerson = (text: string, field: string): string => {
  const jid = toJid(text, field)
  if (isGroup(jid)) throw invalid(field, 'must be a person, not a group')
  return jid
}

/** The digits of a person's phone number, from whatever `toPerson` takes; an id that hides the number is refused. */
export const toPhoneNumber = (text: string, field: string): string => {
  const jid = toPerson(text, field)
  if (jid.endsWith(`@${HIDDEN}`)) throw notANumber(field)
  return numberOf(jid)
}

/** The JID of a person without the device; undefined for whatever else has a JID. */
export const personOf = (jid: string): string | undefined => {
  const [, digits, server] = /^(\d+)(?::\d+)?@(s\.whatsapp\.net|lid)$/.exec(jid) ?? []
  return digits === undefined ? undefined : `${digits}@${server}`
}

const notANumber = (field: string): Refusal =>
  invalid(field, 'must be a WhatsApp number with country code (5511999999999) or a JID')

/** `2025-01-15T10:30:00+00:00`, the form of times in public events. */
export const offsetTime = (at: string) => `${new Date(at).toISOString().slice(0, 19)}+00:00`
