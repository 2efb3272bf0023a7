import { variables } from '../../src/config.ts'
import { createMetrics } from '../../src/metrics.ts'

/** Which table a setting is in, by what its name begins with; the first that fits. */
const topics: readonly (readonly [title: string, ...beginnings: string[]])[] = [
  ['Nodes', 'ROLES', 'NODE_'],
  ['PostgreSQL', 'DATABASE_', 'DATA_DIR'],
  ['EventStoreDB', 'EVENTSTORE_'],
  ['Kafka', 'KAFKA_'],
  ['HTTP', 'HOST', 'PORT', 'PUBLIC_', 'TRUST_', 'RATE_', 'BODY_', 'USER_TOKEN_'],
  ['Accounts', 'ADMIN_', 'OPERATOR_'],
  ['Media', 'S3_', 'MEDIA_'],
  ['Webhooks', 'WEBHOOK_', 'DELIVERY_', 'OUTBOUND_'],
  ['Everything else', ''],
]
const topicOf = (name: string) =>
  topics.find(([, ...beginnings]) => beginnings.some((text) => name.startsWith(text)))?.[0]

/** Markdown: every setting with its default, by topic. */
const settingsTables = (): string => {
  const all = variables()
  return topics
    .map(([title]) => ({ title, shown: all.filter(({ name }) => topicOf(name) === title) }))
    .filter(({ shown }) => shown.length > 0)
    .map(({ title, shown }) =>
      [
        `### ${title}\n`,
        '| variable | default | meaning |',
        '| --- | --- | --- |',
        ...shown.map(({ name, description, byDefault, isSecret }) => {
          const value = byDefault === '' ? '' : `\`${byDefault}\``
          return `| \`${name}\` | ${value} | ${isSecret ? '**Secret.** ' : ''}${description} |`
        }),
      ].join('\n'),
    )
    .join('\n\n')
}

type Metric = { readonly name: string; readonly kind: string; readonly help: string }

/** Every metric, those of Node among them. */
export const allMetrics = async (): Promise<Metric[]> => {
  const { body } = await createMetrics().exposition()
  return [...body.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\w+)$/gm)].map(
    ([, name = '', help = '', kind = '']) => ({ name, kind, help }),
  )
}

/** Markdown: every metric of the program itself. */
const metricsTable = async (): Promise<string> => {
  const own = (await allMetrics()).filter(({ name }) => name.startsWith('zapini_'))
  return [
    '| metric | kind | meaning |',
    '| --- | --- | --- |',
    ...own.map(({ name, kind, help }) => `| \`${name}\` | ${kind} | ${help} |`),
  ].join('\n')
}

const within = (text: string, part: string, content: string) =>
  text.replace(
    new RegExp(`(<!-- ${part}[^>]*-->\n)[^]*?(\n<!-- end of ${part} -->)`),
    (_, begin: string, end: string) => `${begin}\n${content}\n${end}`,
  )

/** docs/operations.md with the parts that are made from the code made anew; still to be formatted. */
export const withPartsFromCode = async (document: string): Promise<string> =>
  within(within(document, 'settings', settingsTables()), 'metrics', await metricsTable())
