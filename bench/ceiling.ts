import { join } from 'node:path'
import { createPoster } from './http.ts'
import { startProcess } from './program.ts'

type Options = {
  readonly databaseUrl: string
  readonly folder: string
  readonly connections: number
  /** Durable inserts of each request, one after the other. */
  readonly commits: number
  /** Where each request is posted onwards once it is stored. */
  readonly forwardTo?: string
}

/** Starts `ceiling-server.ts` as a process of its own. */
export const startCeiling = async ({
  databaseUrl,
  folder,
  connections,
  commits,
  forwardTo = '',
}: Options) => {
  const { found: url, stop } = await startProcess(
    join(import.meta.dirname, 'ceiling-server.js'),
    {
      DATABASE_URL: databaseUrl,
      CONNECTIONS: String(connections),
      COMMITS: String(commits),
      FORWARD_TO: forwardTo,
    },
    join(folder, 'ceiling.log'),
    /listening at (\S+)/,
  )
  const poster = createPoster(url, undefined, connections)
  return {
    poster,
    stop: async () => {
      await poster.close()
      await stop()
    },
  }
}
