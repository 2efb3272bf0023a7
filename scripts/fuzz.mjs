/**
 * Tries the API with requests made from its own OpenAPI document (Schemathesis, from PyPI; needs Python 3.10 or newer):
 * no answer may be a fault of the server, or outside of what the document says.
 *
 *   npm run fuzz             a short run, as in CI
 *   npm run fuzz -- 300      for about that many seconds
 *
 * The program runs on a data folder of its own, which is thrown away.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SCHEMATHESIS = '4.32.5'
const TOOLS = join(import.meta.dirname, '..', 'node_modules', '.cache', `schemathesis-${SCHEMATHESIS}`)
const START_TIMEOUT_MS = 60_000
const SHORT_EXAMPLES = 4
const LONG_EXAMPLES = 100

/** They end the run's own login, or never end by themselves. */
const LEFT_OUT = ['logout', 'refreshToken', 'changePassword', 'resetUserPassword', 'streamEvents']
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
]

const fail = (message) => {
  throw new Error(message)
}

const run = (command, args) => {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (error || status !== 0) fail(`${command} ${args.join(' ')} failed: ${error ?? `exit code ${status}`}`)
}

const install = () => {
  const program = join(TOOLS, 'bin', 'schemathesis')
  if (existsSync(program)) return program
  run('python3', ['-m', 'venv', TOOLS])
  run(join(TOOLS, 'bin', 'pip'), ['install', '--quiet', `schemathesis==${SCHEMATHESIS}`])
  return program
}

const account = { email: 'fuzz@example.com', password: 'a password to fuzz with' }

/** Starts the built program; resolves once it says where it is. */
const start = async (directory) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', 'dist', 'main.js')], {
    env: {
      ...process.env,
      PORT: '0',
      DATA_DIR: directory,
      ADMIN_EMAIL: account.email,
      ADMIN_PASSWORD: account.password,
      OPERATOR_TOKEN: 'an operator token to fuzz with',
      RATE_LIMIT_REQUESTS: '0',
      // Nobody is there: no instance that is made here reaches WhatsApp.
      WHATSAPP_URL: 'ws://127.0.0.1:9',
      SEND_TIMEOUT_SECONDS: '2',
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await new Promise((resolve, reject) => {
    let text = ''
    const timer = setTimeout(() => reject(new Error('The program did not start')), START_TIMEOUT_MS)
    child.once('exit', (code) => reject(new Error(`The program ended with code ${code}`)))
    child.stdout.on('data', (chunk) => {
      text += chunk
      const found = /ready at (\S+)/.exec(text)
      if (!found) return
      clearTimeout(timer)
      resolve(found[1])
    })
  })
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }
  return { url, stop }
}

const callerOf = (url, token) => async (method, path, body) => {
  const response = await fetch(url + path, {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  if (!response.ok) fail(`${method} ${path} answered ${response.status}: ${await response.text()}`)
  return response.json()
}

/** One thing of every kind, so that the id 1 names something. */
const prepare = async (url) => {
  const { data } = await callerOf(url)('POST', '/auth/login', account)
  const call = callerOf(url, data.token)
  const { uuid } = (await call('POST', '/instances', { name: 'Fuzzed', provider: 'sandbox' })).data.instance
  await call('POST', `/sandbox/instances/${uuid}/scan`, {})
  await call('POST', `/sandbox/instances/${uuid}/incoming`, {
    from: '5511999999999',
    name: 'John',
    text: 'Hi',
  })
  await call('POST', '/send-message', { recipient: '5511999999999', message: 'Hello' })
  return { token: data.token, call }
}

/** A name that is left out has to exist, or it is not left out at all. */
const checkLeftOut = async (url) => {
  const { paths } = await (await fetch(`${url}/openapi.json`)).json()
  const known = Object.values(paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  )
  for (const name of LEFT_OUT) if (!known.includes(name)) fail(`There is no operation ${name} to leave out`)
}

const fuzz = (program, directory, url, token, seconds) => {
  const args = [
    'run',
    `${url}/openapi.json`,
    '--header',
    `Authorization: Bearer ${token}`,
    '--checks',
    CHECKS.join(','),
    '--phases',
    'examples,coverage,fuzzing',
    '--max-examples',
    String(seconds ? LONG_EXAMPLES : SHORT_EXAMPLES),
    '--request-timeout',
    '20',
    '--suppress-health-check',
    'all',
    '--warnings',
    'off',
    ...(seconds ? ['--max-time', String(seconds)] : ['--seed', '1']),
    ...LEFT_OUT.flatMap((operation) => ['--exclude-operation-id', operation]),
  ]
  return new Promise((resolve) => {
    spawn(program, args, { stdio: 'inherit', cwd: directory }).once('exit', (code) => resolve(code ?? 1))
  })
}

const main = async (seconds) => {
  const program = install()
  const directory = await mkdtemp(join(tmpdir(), 'zapini-fuzz-'))
  await chmod(directory, 0o711)
  const { url, stop } = await start(directory)
  try {
    const { token, call } = await prepare(url)
    await checkLeftOut(url)
    process.exitCode = await fuzz(program, directory, url, token, seconds)
    // A run that lost its login would have looked at nothing but 401.
    await call('GET', '/auth/me')
    await call('GET', '/ready')
  } finally {
    await stop()
    await rm(directory, { recursive: true, force: true })
  }
}

await main(Number(process.argv[2] ?? 0))
