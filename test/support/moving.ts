import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { exportLog } from '../../src/cli/export/export.ts'
import type { Scope } from '../../src/cli/export/format.ts'
import { checkExport, openExport } from '../../src/cli/import/export-file.ts'
import { importLog } from '../../src/cli/import/import.ts'
import { plainLog } from '../../src/cli/plain-log.ts'
import type { Deployment } from '../../src/followed-log.ts'
import type { EventStore } from '../../src/ports/event-store.ts'

const output = { write: () => true }

/** A folder for one test. */
export const testFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'zapini-moving-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** What an export of a log says. */
export const exported = async (store: EventStore, scope: Scope = { kind: 'log' }) => {
  let text = ''
  await exportLog({
    log: plainLog(store, store),
    scope,
    zapini: 'test',
    write: (more) => Promise.resolve(void (text += more)),
    output,
    interrupted: new AbortController().signal,
  })
  return text
}

/** A file with a text in it, called `an export`. */
const opened = async (text: string) => {
  const path = join(await testFolder(), 'export.jsonl')
  await writeFile(path, text)
  const { file } = await openExport(path, Readable.from([]))
  onTestFinished(() => file.close())
  return { name: 'an export', file }
}

export const checked = async (text: string) => checkExport(await opened(text), () => {})

/** Imports what an export says. */
export const imported = async (text: string, target: Deployment) => {
  const source = await opened(text)
  return importLog({
    source,
    checked: await checkExport(source, () => {}),
    target,
    reading: plainLog(target.store, target.store),
    seal: (events) => Promise.resolve(events),
    output,
    refuseIfInUse: () => Promise.resolve(),
  })
}
