import { Type, type TSchema } from 'typebox'
import { publicExamples } from '../../src/domain/public-examples.ts'
import { publicEvents, publicTypes, type PublicType } from '../../src/domain/public-events.ts'
import {
  headersOf,
  RecordHeaders,
  recordOf,
  recordSchema,
  topicNames,
  topicOf,
  topics,
} from '../../src/domain/public-record.ts'
import { subscribable, subscribedNames } from '../../src/domain/webhook.ts'

const code = (text: string) => `\`${text}\``
const listOf = (texts: readonly string[]) => texts.map(code).join(', ')
const table = (heads: readonly string[], rows: readonly (readonly string[])[]) =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const descriptionOf = (schema: TSchema): string =>
  'description' in schema && typeof schema.description === 'string' ? schema.description : ''

/** What a field may hold, in words. */
const kindOf = (schema: TSchema): string => {
  if (Type.IsUnion(schema)) return schema.anyOf.map(kindOf).join(' or ')
  if ('enum' in schema && Array.isArray(schema.enum)) return listOf(schema.enum.map(String))
  if ('const' in schema) return code(String(schema.const))
  if ('format' in schema && schema.format === 'uuid') return 'UUID'
  return 'type' in schema ? String(schema.type) : ''
}

const fieldRows = (schema: TSchema): string[][] =>
  Type.IsObject(schema)
    ? Object.entries<TSchema>(schema.properties).map(([name, field]) => [
        code(name),
        kindOf(field) + (Type.IsOptional(field) ? ', may be missing' : ''),
        descriptionOf(field),
      ])
    : []
const fieldTable = (schema: TSchema) => table(['Field', 'Holds', 'Meaning'], fieldRows(schema))

const topicTable = () =>
  table(
    ['Topic', 'Types'],
    topicNames.map((topic) => [code(`zapini.${topic}`), listOf(topics[topic])]),
  )

const exampleRecord = () => {
  const [example] = publicExamples
  if (!example) throw new Error('No example')
  const record = recordOf(example)
  const headers = Object.entries(headersOf(record)).map(([name, value]) => `${name}: ${value}`)
  const text = [`key: ${record.key}`, ...headers, '', JSON.stringify(record, null, 2)].join('\n')
  return ['```text', `topic: zapini.${topicOf(example.type)}`, text, '```'].join('\n')
}

const envelopeTable = () => {
  const schema = recordSchema('message.received')
  return table(
    ['Field', 'Holds', 'Meaning'],
    fieldRows(schema).map(([name = '', ...cells]) => {
      if (name === code('type')) return [name, 'string', 'The type of the event, below']
      return name === code('data') ? [name, 'object', 'The fields of the type, below'] : [name, ...cells]
    }),
  )
}
const headerTable = () =>
  table(
    ['Header', 'Holds'],
    fieldRows(RecordHeaders).map(([name = '', kind = '', meaning = '']) => [name, meaning || kind]),
  )

const typeSection = (type: PublicType) => {
  const names = subscribable.filter((name) => type in subscribedNames([name]))
  return [
    `### ${code(type)}`,
    descriptionOf(publicEvents[type]),
    `Topic \`zapini.${topicOf(type)}\`; as a webhook ${names.map(code).join(' or ')}.`,
    fieldTable(publicEvents[type]),
  ].join('\n\n')
}

const parts: Readonly<Record<string, () => string>> = {
  topics: topicTable,
  example: exampleRecord,
  envelope: envelopeTable,
  headers: headerTable,
  types: () => publicTypes.map(typeSection).join('\n\n'),
}

/** docs/events.md, with the parts that come from the schemas made anew. */
export const eventsPage = (page: string): string =>
  Object.entries(parts).reduce((text, [name, make]) => {
    const [begin, end] = [`<!-- made: ${name} -->`, `<!-- end: ${name} -->`]
    const [before, rest = ''] = text.split(begin)
    const [, after] = rest.split(end)
    if (before === undefined || after === undefined) throw new Error(`docs/events.md has no part ${name}`)
    const ignored = ['<!-- prettier-ignore-start -->', make(), '<!-- prettier-ignore-end -->'].join('\n\n')
    return `${before}${begin}\n${ignored}\n${end}${after}`
  }, page)
