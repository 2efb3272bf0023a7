import { existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { loadConfig, type Config } from '../../config.ts'

/**
 * What the program ran on, by the shortest name there is: the data folder of an embedded default, the URL of a
 * PostgreSQL that had log and read models, the URL of an EventStoreDB beside the database of the present settings, or a
 * file of settings.
 */
export const sourceConfig = async (from: string, env: NodeJS.ProcessEnv): Promise<Config> => {
  if (/^postgres(ql)?:/.test(from)) return loadConfig({ DATABASE_URL: from })
  if (/^esdb(\+discover)?:/.test(from)) return loadConfig({ ...env, EVENTSTORE_URL: from })
  // Without quoting it: it may hold a password.
  if (from.includes('://')) throw new Error('A URL behind --from begins with postgres:// or esdb://.')
  const found = statSync(from, { throwIfNoEntry: false })
  if (!found) throw new Error(`There is no data folder and no file of settings ${from}.`)
  const config = loadConfig(
    found.isDirectory() ? { DATA_DIR: from } : { ...parseEnv(await readFile(from, 'utf8')) },
  )
  const { settings, secrets } = config
  if (secrets.databaseUrl === undefined && !existsSync(join(settings.dataDir, 'postgres', 'cluster')))
    throw new Error(`There is no embedded PostgreSQL in the data folder ${settings.dataDir}.`)
  return config
}
