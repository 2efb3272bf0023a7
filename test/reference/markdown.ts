import type { Entry } from './entry.ts'
import { sections, table, titleOf } from './table.ts'
import { payloads, type Payload } from './payloads.ts'

const intro = `# The reference, call by call

Made from the table in [test/reference](../test/reference), whose tests make each of these calls – at the bare path and
under \`/api/v1\` – with the request of the API reference, and compare the answer with the documented one field by field:
the same fields at every level, of the same type and form, and the same values, unless a value is data of the example.
Ids, addresses of files and the like are replaced by real ones of a prepared world; \`given\` of each entry says which.

- **as documented**: the answer of the document is compared.
- **as expected**: the document shows no answer; what is compared is our own.
`

/** docs/reference.md */
export const referenceMarkdown = (): string => {
  const calls = sections.flatMap((section) => table[section].map((entry) => rowOf(titleOf[section], entry)))
  const events = payloads.map((payload) => rowOfPayload(payload))
  const lines = [
    ['Section', 'Call', 'What is shown', 'Note'],
    ['---', '---', '---', '---'],
    ...calls,
    ...events,
  ]
  return `${intro}\n<!-- prettier-ignore -->\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

const rowOf = (section: string, entry: Entry): string[] => {
  const { call, title, note = '' } = entry
  return [section, `\`${call}\`${title === undefined ? '' : `, ${title}`}`, shownOf(entry), note]
}

const shownOf = ({ answer, assumed, contentType, status = 200 }: Entry): string => {
  if (contentType !== undefined) return `${status}, a file of type \`${contentType}\``
  const count = fieldsIn(answer ?? assumed)
  const fields = `${count} field${count === 1 ? '' : 's'}`
  return `${status}, ${fields} as ${answer === undefined ? 'expected' : 'documented'}`
}

const rowOfPayload = ({ event, headers, payload, note = '' }: Payload): string[] => [
  titleOf.webhooks,
  `\`${event}\` at a receiver`,
  `${Object.keys(headers).length} headers, ${fieldsIn(payload)} fields as documented; signature`,
  note,
]

/** Fields that hold a value. */
const fieldsIn = (value: unknown): number =>
  typeof value === 'object' && value !== null
    ? Math.max(
        1,
        Object.values(value).reduce<number>((sum, field) => sum + fieldsIn(field), 0),
      )
    : 1
