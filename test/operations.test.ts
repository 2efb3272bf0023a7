import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { describe, expect, it, onTestFinished } from 'vitest'
import { topicNames } from '../src/domain/public-record.ts'
import { roles } from '../src/roles.ts'
import { textOf } from './infra/files.ts'
import { startApp } from './support/app.ts'
import { withPartsFromCode } from './support/operations.ts'

const PATH = 'docs/operations.md'
const document = await textOf(PATH)

describe('docs/operations.md', () => {
  it('shows exactly the settings and metrics that there are', async () => {
    const made = await withPartsFromCode(document)
    expect(made).toContain('| `DATABASE_URL` |')
    expect(made).toContain('| `zapini_projection_state` |')
    const file = join(import.meta.dirname, '..', PATH)
    const formatted = await format(made, { ...(await resolveConfig(file)), parser: 'markdown' })
    await expect(formatted).toMatchFileSnapshot(file)
  })

  it('sets back a reaction that there is', async () => {
    const app = await startApp()
    onTestFinished(app.stop)
    const { body } = await app.admin.get('/ready')
    const names = [...document.matchAll(/insert into checkpoint .* values \('([^']+)'/g)].map(
      ([, name]) => name,
    )
    expect(names).toEqual(['relay', 'relay'])
    expect(body.reactions).toContainEqual(expect.objectContaining({ name: 'relay' }))
  })

  it('names every role, topic and alert', async () => {
    for (const role of roles) expect(document).toContain(`\n| \`${role}\``)
    for (const topic of topicNames) expect(document).toContain(`\`<prefix>.${topic}\``)
    const alerts = [...(await textOf('infra/prometheus/alerts.yaml')).matchAll(/alert: (\w+)/g)].map(
      ([, name]) => name,
    )
    const named = new Set([...document.matchAll(/`(Zapini[A-Z]\w+)`/g)].map(([, name]) => name))
    expect(named).toEqual(new Set(alerts))
  })

  it('links to headings that it has', () => {
    const headings = [...document.matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
      text
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    )
    for (const [, anchor = ''] of document.matchAll(/\]\(#([^)]+)\)/g)) expect(headings).toContain(anchor)
  })
})
