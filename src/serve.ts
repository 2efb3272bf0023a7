import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { whenAborted } from './aborted.ts'
import { createApp } from './app.ts'
import type { Config } from './config.ts'
import type { Login } from './first-account.ts'
import { answerWhileStarting } from './http/starting.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { openParts } from './parts.ts'
import { version } from './version.ts'

/** Requests under way get this long at a stop. */
const DRAIN_MS = 5000
/** What is under way when the process can go on no longer gets this long to end. */
const GIVE_UP_MS = 2000
/** A client that takes longer to send the head of a request is cut off. */
const HEADERS_TIMEOUT_MS = 30_000
/** The same for a whole request: an upload may take its time; other bodies have a limit of their own. */
const REQUEST_TIMEOUT_MS = 900_000

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

const inWords = (error: Error, host: string, port: number): Error =>
  'code' in error && error.code === 'EADDRINUSE'
    ? new Error(`Port ${port} at ${host} is in use. Set PORT to another one, or stop what uses it.`)
    : error

const listen = async (
  server: ReturnType<typeof createServer>,
  host: string,
  port: number,
): Promise<string> => {
  await new Promise<void>((done, failed) =>
    server.once('error', (error) => failed(inWords(error, host, port))).listen(port, host, done),
  )
  const address = server.address()
  const shownHost = host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return `http://${shownHost}:${typeof address === 'object' && address ? address.port : port}`
}

/**
 * Runs the program until the signal, then ends what is under way and closes everything in reverse order. It listens
 * first, so that a port that is taken is found out before anything is touched.
 */
export const serve = async (config: Config, log: Log, stop: AbortSignal) => {
  const { settings, secrets } = config
  let handle = answerWhileStarting
  const options = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS }
  const server = createServer(options, (request, response) => handle(request, response))
  const url = await listen(server, settings.host, settings.port)
  const metrics = createMetrics()
  const { parts, remember, close } = await openParts(config, log, url, metrics)
  const app = createApp({
    ...parts,
    settings: { ...settings, version: await version() },
    ...(secrets.operatorToken !== undefined && { operatorToken: secrets.operatorToken }),
    firstAccount: { email: settings.adminEmail, password: secrets.adminPassword },
    stopping: stop,
    log,
    metrics,
  })
  const serveRequest = app.http.callback()
  handle = (request, response) => void serveRequest(request, response)
  const running = new AbortController()
  const { ready, stopped } = app.start(running.signal)

  try {
    const welcomed = ready.then(async (login) => {
      await remember()
      process.stdout.write(welcome(url, login))
    })
    // A stop does not wait for a start that takes long.
    await Promise.race([welcomed, whenAborted(stop), stopped])
    await Promise.race([whenAborted(stop), stopped])
  } catch (error) {
    log.fatal({ err: error }, 'this process can go on no longer: it ends, for another to take its place')
    running.abort()
    server.close().closeAllConnections()
    await Promise.race([close(), sleep(GIVE_UP_MS, undefined, { ref: false })])
    throw error
  }

  const closed = new Promise((done) => server.close(done))
  server.closeIdleConnections()
  setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref()
  await closed
  running.abort()
  await stopped.finally(close)
}
