import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { exportLog } from '../../src/cli/export/export.ts'
import type { Scope } from '../../src/cli/export/format.ts'
import { checkExport, openExport } from '../../src/cli/import/export-file.ts'
import { importLog } from '../../src/cli/import/import.ts'
import { sealAll } from '../../src/cli/import/seal.ts'
import { plainLog } from '../../src/cli/plain-log.ts'
import type { Deployment } from '../../src/followed-log.ts'
import type { EventStore } from '../../src/ports/event-store.ts'
import type { sealedLog } from './sealed.ts'

const output = { write: () => true }

/** A folder for one test. */
export const testFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'zapini-moving-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

type Sealed = Pick<Awaited<ReturnType<typeof sealedLog>>, 'store' | 'stored' | 'keys'>

/** What an export of a log says. */
export const exported = async (
  { store, stored = store }: { readonly store: EventStore; readonly stored?: EventStore },
  scope: Scope = { kind: 'log' },
) => {
  let text = ''
  await exportLog({
    log: plainLog(store, stored),
    scope,
    zapini: 'test',
    write: (more) => Promise.resolve(void (text += more)),
    output,
    interrupted: new AbortController().signal,
  })
  return text
}

/** A file with a text in it, called `an export`. */
const opened = async (text: string | Buffer) => {
  const path = join(await testFolder(), 'export.jsonl')
  await writeFile(path, text)
  const { file } = await openExport(path, Readable.from([]))
  onTestFinished(() => file.close())
  return { name: 'an export', file }
}

export const checked = async (text: string | Buffer) => checkExport(await opened(text), () => {})

/** Imports what an export says; seals it, if the target does. */
export const imported = async (text: string, target: Deployment, sealed?: Sealed) => {
  const source = await opened(text)
  return importLog({
    source,
    checked: await checkExport(source, () => {}),
    target,
    reading: sealed ? plainLog(sealed.store, sealed.stored) : target.store,
    seal: sealed ? sealAll(sealed.keys) : (events) => Promise.resolve(events),
    output,
    interrupted: new AbortController().signal,
    refuseIfInUse: () => Promise.resolve(),
  })
}
