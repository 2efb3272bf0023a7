import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { createLog } from '../src/log.ts'
import { createMetrics } from '../src/metrics.ts'
import { openParts } from '../src/parts.ts'
import { createPoster, textAt } from './http.ts'
import { ADMIN } from './program.ts'
import { recordQueries, type Turns } from './recorded-queries.ts'

/** What calls ask the database, as the program in this process makes them; its administrator stays in the database. */
export const queriesOf = async (databaseUrl: string, paths: readonly string[]): Promise<Turns[]> => {
  const config = loadConfig({
    DATABASE_URL: databaseUrl,
    RATE_LIMIT_REQUESTS: '0',
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
  })
  const { settings } = config
  const log = createLog('silent')
  const running = new AbortController()
  const { parts, close } = await openParts(config, log, 'http://127.0.0.1')
  const app = createApp({
    ...parts,
    settings: { ...settings, version: 'bench' },
    firstAccount: ADMIN,
    stopping: running.signal,
    log,
    metrics: createMetrics(),
  })
  const { ready, stopped } = app.start(running.signal)
  await ready
  const handle = app.http.callback()
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const anybody = createPoster(url, undefined, 1)
  const login = await anybody.call('POST', '/auth/login', ADMIN)
  const admin = createPoster(url, textAt(login, 'data', 'token'), 1)

  const record = recordQueries(parts.pool)
  const asked: Turns[] = []
  for (const path of paths) {
    // The first time, who calls is looked up as well.
    await admin.call('GET', path)
    asked.push(await record(() => admin.call('GET', path)))
  }

  await Promise.all([anybody.close(), admin.close()])
  await new Promise((done) => server.close(done))
  running.abort()
  await stopped
  await close()
  return asked
}
