import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { createApp } from './app.ts'
import type { Config } from './config.ts'
import type { Login } from './first-account.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { openParts } from './parts.ts'

/** Requests under way get this long at a stop. */
const DRAIN_MS = 5000
/** A client that takes longer to send the head of a request is cut off. */
const HEADERS_TIMEOUT_MS = 30_000
/** The same for a whole request: an upload may take its time; other bodies have a limit of their own. */
const REQUEST_TIMEOUT_MS = 900_000

const version = async (): Promise<string> => {
  const file = await readFile(join(import.meta.dirname, '..', 'package.json'), 'utf8')
  return String((JSON.parse(file) as { version: unknown }).version)
}

/** For people at a terminal; the log beside it is for machines. */
const welcome = (url: string, login: Login | undefined) =>
  [
    '',
    `Zapini is ready at ${url}`,
    `  Try the API:  ${url}/docs`,
    `  Log in:       POST ${url}/auth/login`,
    ...(login ? [`  E-mail:       ${login.email}`] : []),
    ...(login?.password ? [`  Password:     ${login.password}   (shown this once)`] : []),
    '  Stop:         Ctrl-C',
    '',
    '',
  ].join('\n')

const listen = async (
  server: ReturnType<typeof createServer>,
  host: string,
  port: number,
): Promise<string> => {
  await new Promise<void>((done, failed) => server.once('error', failed).listen(port, host, done))
  const address = server.address()
  const shownHost = host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return `http://${shownHost}:${typeof address === 'object' && address ? address.port : port}`
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })

/** Runs the program until the signal, then ends what is under way and closes everything in reverse order. */
export const serve = async (config: Config, log: Log, stop: AbortSignal) => {
  const { settings, secrets } = config
  const { parts, close } = await openParts(config, log)
  const app = createApp({
    ...parts,
    settings: { ...settings, version: await version() },
    ...(secrets.operatorToken !== undefined && { operatorToken: secrets.operatorToken }),
    firstAccount: { email: settings.adminEmail, password: secrets.adminPassword },
    stopping: stop,
    log,
    metrics: createMetrics(),
  })
  const handle = app.http.callback()
  const options = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS }
  const server = createServer(options, (request, response) => void handle(request, response))
  const running = new AbortController()
  const { ready, stopped } = app.start(running.signal)
  const url = await listen(server, settings.host, settings.port)
  const greeted = ready.then((login) => void process.stdout.write(welcome(url, login)))
  // A stop need not wait for the start, which may wait for another node.
  await Promise.race([greeted.then(() => untilAborted(stop)), untilAborted(stop), stopped])
  greeted.catch(() => {})
  const closed = new Promise((done) => server.close(done))
  server.closeIdleConnections()
  setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref()
  await closed
  running.abort()
  await stopped
  await close()
}
