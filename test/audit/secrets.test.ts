import { expect, test } from 'vitest'
import { SECRETS, withoutSecrets } from '../../src/audit/secrets.ts'
import { catalogue } from '../../src/domain/catalogue.ts'

type Schema = {
  readonly secret?: boolean
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}
const secretsIn = ({ secret = false, properties = {}, items, anyOf = [] }: Schema, name = ''): string[] => [
  ...(secret ? [name] : []),
  ...Object.entries(properties).flatMap(([field, schema]) => secretsIn(schema, field)),
  ...[...anyOf, ...(items ? [items] : [])].flatMap((schema) => secretsIn(schema, name)),
]

test('every field that a schema marks as secret is hidden from auditors, at whatever depth', () => {
  const marked = new Set(Object.values(catalogue).flatMap(({ data }) => secretsIn(data)))
  expect(marked.size).toBeGreaterThan(2)
  for (const name of marked) expect(SECRETS, name).toContain(name)
  const data = { name: 'Bot', definition: { url: 'https://example.com', secret: 's' }, list: [{ hash: 'h' }] }
  expect(withoutSecrets(data)).toEqual({
    name: 'Bot',
    definition: { url: 'https://example.com', secret: '[hidden]' },
    list: [{ hash: '[hidden]' }],
  })
})
