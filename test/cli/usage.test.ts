import { expect, test } from 'vitest'
import { startCommand } from '../support/program.ts'

const called = async (...words: string[]) => {
  const command = startCommand(words, {})
  return { code: await command.ended, output: command.output() }
}

test('whoever asks for help is told of every command, and touches nothing', async () => {
  const { code, output } = await called('help')
  expect(code).toBe(0)
  for (const name of ['replay', 'verify', 'audit', 'export', 'import', 'erase', 'webhooks', 'copy-log'])
    expect(output).toMatch(new RegExp(`^  zapini ${name} `, 'm'))
})

test('a command that is called wrongly says what is wrong and how it is called, and ends with 2', async () => {
  expect(await called('erase', '--help')).toEqual({ code: 0, output: (await called('help', 'erase')).output })
  const wrong = await called('erase', '--conversation', '1', '--person', '5511999999999')
  expect(wrong.code).toBe(2)
  expect(wrong.output).toMatch(/^Say one of .*\n\nUsage:\n {2}zapini erase /)
  expect(wrong.output).not.toContain('zapini replay')
  const unknown = await called('toString')
  expect(unknown.code).toBe(2)
  expect(unknown.output).toMatch(/^There is no command toString\.\n\nUsage:\n {2}zapini\n/)
})

test('a verification that cannot look does not end as one that found differences', async () => {
  const nowhere = startCommand(['verify'], { DATABASE_URL: 'postgres://zapini@127.0.0.1:1/zapini' })
  expect(await nowhere.ended).toBe(2)
  expect(nowhere.output()).toContain('ECONNREFUSED')
})
