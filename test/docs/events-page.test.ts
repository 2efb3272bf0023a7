import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { publicTypes } from '../../src/domain/public-events.ts'
import { eventsPage } from './events-page.ts'

const page = join(import.meta.dirname, '../../docs/events.md')

test('docs/events.md has the topics, the record and every type as the schemas have them', async () => {
  const text = eventsPage(await readFile(page, 'utf8'))
  for (const type of publicTypes) expect(text).toContain(`### \`${type}\``)
  await expect(text).toMatchFileSnapshot(page)
})
test('every field in it has a meaning', async () => {
  const rows = (await readFile(page, 'utf8')).split('\n').filter((line) => /^\| `\w+` \|/.test(line))
  expect(rows.length).toBeGreaterThan(60)
  for (const row of rows)
    expect(row.split('|').slice(1, -1)).toEqual(Array(3).fill(expect.stringMatching(/\S/)))
})
