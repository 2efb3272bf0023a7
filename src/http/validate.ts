import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { TObject, TSchema } from 'typebox'
import { Refusal } from '../domain/errors.ts'
import { complaints, type Details } from '../complaints.ts'
import { withFormats } from '../formats.ts'

const options = {
  allErrors: true,
  strict: true,
  allowUnionTypes: true,
  useDefaults: true,
  verbose: true,
} as const
// Marks of the domain's schemas and of the documentation; neither checks anything.
const prepared = (ajv: Ajv) => withFormats(ajv).addVocabulary(['personal', 'secret', 'example'])
const strictAjv = prepared(new Ajv(options))
const coercingAjv = prepared(new Ajv({ ...options, coerceTypes: true }))

/** Compiled when first needed: to compile the schemas of all routes would double the time of a start. */
const whenNeeded = (compile: () => ValidateFunction): (() => ValidateFunction) => {
  let validate: ValidateFunction | undefined
  return () => (validate ??= compile())
}

type Fields = Record<string, unknown>
export type Aliases = Readonly<Record<string, readonly string[]>>

/** Checks a value and answers it, with defaults filled in; throws VALIDATION_FAILED naming each bad field. */
export type Check = (value: Fields) => Fields

const asItIs: Check = (value) => value

/** The check of a JSON body. Fields that the schema does not know are left alone. */
export const bodyCheck = (schema: TSchema | undefined, aliases: Aliases = {}): Check =>
  schema
    ? checkWith(
        whenNeeded(() => strictAjv.compile(schema)),
        canonicalNames(aliases),
        aliases,
      )
    : asItIs

/**
 * The check of a query string. A name that the schema does not know is refused: a filter that was misspelt would be no
 * filter, and the answer would be about everything.
 */
export const queryCheck = (schema: TObject | undefined, aliases: Aliases = {}): Check => {
  if (!schema) return asItIs
  const check = textCheck(schema, aliases)
  const names = Object.keys(schema.properties)
  const known = new Set(
    Object.entries(schema.properties).flatMap(([name, property]) => [
      ...(kindOf(property) === 'array' ? [name, `${name}[]`] : [name]),
      ...(aliases[name] ?? []),
    ]),
  )
  return (value) => {
    const unknown = Object.keys(value).filter((name) => !known.has(name))
    if (unknown.length === 0) return check(value)
    throw new Refusal(
      'VALIDATION_FAILED',
      `The query has a name that is not known here. Known are: ${names.join(', ')}.`,
      Object.fromEntries(unknown.map((name) => [name, ['is not known here']])),
    )
  }
}

/** The check of path parameters: text becomes the number, boolean or list that the schema asks for. */
export const textCheck = (schema: TObject | undefined, aliases: Aliases = {}): Check => {
  if (!schema) return asItIs
  const [rename, read] = [canonicalNames(aliases), textReader(schema)]
  return checkWith(
    whenNeeded(() => coercingAjv.compile(schema)),
    (value) => read(rename(value)),
    aliases,
  )
}

/** What is wrong with a response, for tests; undefined if nothing is. */
export const responseCheck = (schema: TSchema): ((body: unknown) => Details | undefined) => {
  const validator = whenNeeded(() => strictAjv.compile(schema))
  return (body) => {
    const validate = validator()
    return validate(body) ? undefined : complaints(validate.errors ?? [])
  }
}

const checkWith =
  (validator: () => ValidateFunction, prepare: (value: Fields) => Fields, aliases: Aliases): Check =>
  (value) => {
    const input = prepare(value)
    const validate = validator()
    if (validate(input)) return input
    throw new Refusal(
      'VALIDATION_FAILED',
      'The request is not valid.',
      detailsOf(validate.errors ?? [], aliases),
    )
  }

const detailsOf = (errors: readonly ErrorObject[], aliases: Aliases): Details => {
  const details = complaints(errors)
  for (const [name, others] of Object.entries(aliases))
    if (details[name])
      details[name] = details[name].map((text) => `${text} (also accepted as ${others.join(', ')})`)
  return details
}

/** Moves a value given under another name to the canonical one, unless that one is given too. */
const canonicalNames = (aliases: Aliases): ((value: Fields) => Fields) => {
  const names = Object.entries(aliases)
  if (names.length === 0) return asItIs
  return (value) => {
    for (const [name, others] of names) {
      if (value[name] !== undefined) continue
      const given = others.find((other) => value[other] !== undefined)
      if (given !== undefined) value[name] = value[given]
    }
    return value
  }
}

/** Query text to values, as far as ajv does not do it: 1 and 0 as booleans, lists with commas or repeated, empty as absent. */
const textReader = (schema: TObject): ((value: Fields) => Fields) => {
  const fields = Object.entries(schema.properties).map(
    ([name, property]) => [name, kindOf(property)] as const,
  )
  return (value) => {
    for (const [name, kind] of fields) {
      const text = value[name] ?? (kind === 'array' ? value[`${name}[]`] : undefined)
      if (text === undefined) continue
      if (text === '') Reflect.deleteProperty(value, name)
      else if (kind === 'array')
        value[name] = [text]
          .flat()
          .map(String)
          .flatMap((part) => part.split(','))
      else if (kind === 'boolean' && (text === '1' || text === '0')) value[name] = text === '1'
    }
    return value
  }
}

const kindOf = (schema: TSchema) => ('type' in schema ? schema.type : undefined)
