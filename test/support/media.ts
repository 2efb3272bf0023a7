import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { folderMediaStore } from '../../src/adapters/media/folder.ts'
import { addressGuard } from '../../src/adapters/outbound/address-guard.ts'
import { guardedFetch } from '../../src/adapters/outbound/fetch-file.ts'
import { mediaRules } from '../../src/domain/media-rules.ts'
import { createMedia } from '../../src/write/media.ts'
import type { TestLog } from './log.ts'

/** Files as the application keeps them, in a folder of their own; gone when the test is over. */
export const testMedia = async ({ transact, load }: Pick<TestLog, 'transact' | 'load'>) => {
  const folder = await mkdtemp(join(tmpdir(), 'zapini-media-'))
  const spoolFolder = join(folder, 'incoming')
  const store = folderMediaStore(join(folder, 'media'))
  const { fetchFile, close } = guardedFetch(addressGuard(['127.0.0.0/8']))
  onTestFinished(async () => {
    await close()
    await rm(folder, { recursive: true, force: true })
  })
  return {
    ...createMedia({ transact, load, store, fetchFile, spoolFolder, rules: mediaRules }),
    store,
    spoolFolder,
  }
}
