import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Scrub } from '../../ports/scrub.ts'

const DAY_MS = 86_400_000
/** No file takes that long to come in. */
const COMING_IN_MS = 3_600_000

/** Whose a file was that a crash left, nobody knows: all go that nothing is coming in to any more. */
export const scrubLeftovers =
  (folders: readonly string[], olderThanMs = COMING_IN_MS): Scrub =>
  async () => {
    for (const folder of folders) await removeLeftovers(folder, olderThanMs)
  }

/** Removes what a crash left in a folder of temporary files; another process may be using the newer ones. */
export const removeLeftovers = async (folder: string, olderThanMs = DAY_MS) => {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    const file = join(folder, name)
    const found = await stat(file).catch(() => undefined)
    if (found && found.mtimeMs < Date.now() - olderThanMs) await rm(file, { force: true })
  }
}
