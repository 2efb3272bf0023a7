import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import ipaddr from 'ipaddr.js'
import { Type, type Static, type TObject, type TSchema } from 'typebox'
import { complaints } from './complaints.ts'
import { Secrets, Settings } from './settings.ts'

export type Config = { readonly settings: Settings; readonly secrets: Secrets }

/** The environment is not usable; the message names each bad variable and says what is expected. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
}

const ajv = new Ajv({ allErrors: true, verbose: true })
addFormats.default(ajv)
ajv.addFormat('cidr', (text: string) => ipaddr.isValidCIDR(text))
const isSettings = ajv.compile<Static<typeof Settings>>(Settings)
const isSecrets = ajv.compile<Static<typeof Secrets>>(Secrets)

/** Environment to checked, frozen configuration. An empty variable counts as absent. Throws ConfigurationError. */
export const loadConfig = (env: NodeJS.ProcessEnv): Config => {
  const settings = read(Settings, env)
  const secrets = read(Secrets, env)
  const problems: string[] = []
  if (!isSettings(settings)) problems.push(...describe(Settings, isSettings.errors ?? []))
  if (!isSecrets(secrets)) problems.push(...describe(Secrets, isSecrets.errors ?? []))
  const given: Record<string, unknown> = { ...settings, ...secrets }
  problems.push(...needed(given, 's3Endpoint', 's3Bucket', 's3AccessKeyId', 's3SecretAccessKey'))
  problems.push(...needed(given, 'kafkaSasl', 'kafkaUsername', 'kafkaPassword'))
  if (given['kafkaCaFile'] !== undefined && given['kafkaTls'] !== true)
    problems.push('KAFKA_TLS must be true with KAFKA_CA_FILE.')
  if (problems.length > 0 || !isSettings(settings) || !isSecrets(secrets))
    throw new ConfigurationError(['The configuration is not valid.', ...problems].join('\n- '))
  return { settings: frozen(settings), secrets: frozen(secrets) }
}

/** What has to be there once something else is. */
const needed = (given: Record<string, unknown>, once: string, ...names: readonly string[]): string[] =>
  given[once] === undefined
    ? []
    : names
        .filter((name) => given[name] === undefined)
        .map((name) => `${variableOf(name)} is required with ${variableOf(once)}.`)

const variableOf = (name: string) => name.replace(/[A-Z]/g, (capital) => `_${capital}`).toUpperCase()

const read = (schema: TObject, env: NodeJS.ProcessEnv): Record<string, unknown> => {
  const values: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(schema.properties)) {
    const text = env[variableOf(name)]?.trim()
    const value = text ? parse(text, property) : defaultOf(property)
    if (value !== undefined) values[name] = value
  }
  return values
}

/** Text as the type that the schema asks for; left as text where it cannot be, so that the check names it. */
const parse = (text: string, schema: TSchema): unknown => {
  switch ('type' in schema ? schema.type : 'string') {
    case 'integer':
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
    case 'boolean':
      return { true: true, '1': true, false: false, '0': false }[text.toLowerCase()] ?? text
    case 'array':
      return listOf(text).map((item) => parse(item, itemsOf(schema)))
    default:
      return text
  }
}
const listOf = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
const itemsOf = (schema: TSchema): TSchema => (Type.IsArray(schema) ? schema.items : schema)

const defaultOf = (schema: TSchema): unknown => ('default' in schema ? schema.default : undefined)
const descriptionOf = (schema: TSchema | undefined): string =>
  schema && 'description' in schema ? String(schema.description) : ''

const describe = (schema: TObject, errors: Parameters<typeof complaints>[0]): string[] =>
  Object.entries(complaints(errors)).map(([field, messages]) => {
    const [name = field] = field.split('.')
    return `${variableOf(name)} ${messages.join(', ')}. (${descriptionOf(schema.properties[name])})`
  })

const frozen = <T extends object>(values: T): Readonly<T> => {
  for (const value of Object.values(values)) Object.freeze(value)
  return Object.freeze(values)
}

const defaultText = (schema: TSchema): string => [defaultOf(schema) ?? []].flat().map(String).join(',')

/** Every variable, settings first, as the documentation shows it. */
export const variables = () =>
  [Settings, Secrets].flatMap((schema) =>
    Object.entries(schema.properties).map(([name, property]) => ({
      name: variableOf(name),
      description: descriptionOf(property),
      byDefault: defaultText(property),
      isSecret: schema === Secrets,
    })),
  )

/** The text of `.env.example`: every variable with its description and its default, commented out. */
export const envExample = (): string =>
  [
    '# Settings of Zapini. Copy to .env and uncomment what you change; every value shown is the default.',
    ...variables().map(({ name, description, byDefault }) => `\n# ${description}\n# ${name}=${byDefault}`),
    '',
  ].join('\n')
