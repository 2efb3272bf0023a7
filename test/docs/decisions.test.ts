import { expect, it } from 'vitest'
import { namesIn, textOf } from '../infra/files.ts'

const FOLDER = 'docs/decisions'

it('records of decisions are numbered without gaps, and listed by number and title', async () => {
  const records = (await namesIn(FOLDER)).filter((name) => name !== 'README.md').toSorted()
  const lines = await Promise.all(
    records.map(async (name, n) => {
      const [, number, title] = /^# (\d+)\. (.*)\n/.exec(await textOf(`${FOLDER}/${name}`)) ?? []
      expect([name.slice(0, 5), number]).toEqual([`${String(n + 1).padStart(4, '0')}-`, String(n + 1)])
      return `${number}. [${title}](${name})`
    }),
  )
  const list = await textOf(`${FOLDER}/README.md`)
  expect(list.split('\n').filter((line) => /^\d/.test(line))).toEqual(lines)
})
