/**
 * `npm run phone`: WhatsApp, the program beside it, and a page that looks like the phones of three people who write to a
 * business. The program, its session and the encryption are real; the server and the phones are the stand-in.
 *
 * PORT (3000) is the program's, the page is on the port after it. The program keeps its data in ./data-phone.
 */
import '../../../support/quiet-whatsapp.ts'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProgram } from '../../../support/program.ts'
import { environmentFor } from '../environment.ts'
import { startWorld } from '../world.ts'
import { accountIn, openInstance } from './app.ts'
import { servePhone } from './server.ts'

const DATA_FOLDER = 'data-phone'
const port = Number(process.env['PORT'] ?? 3000)
const say = (line = '') => process.stdout.write(`${line}\n`)

const world = await startWorld()
const business = world.whatsApp.person('The business', { phoneNumber: '5511912345678' })
business.answers = []
const people = [
  world.whatsApp.person('Maria Silva', { phoneNumber: '5511988887777' }),
  world.whatsApp.person('John Doe', { phoneNumber: '5511999999999' }),
  world.whatsApp.person('Aisha Khan', { phoneNumber: '447700900123' }),
]

const account = await accountIn(DATA_FOLDER)
const folder = await mkdtemp(join(tmpdir(), 'zapini-phone-'))
const mediaCaFile = join(folder, 'media-ca.pem')
await writeFile(mediaCaFile, world.host.certificate)
const { url: whatsAppUrl, rootKey } = world.whatsApp

say('Starting the program; the first time, its database is made.')
/** What a file .env says of engines is meant for another deployment. */
const ownEngines = {
  DATABASE_URL: '',
  EVENTSTORE_URL: '',
  KAFKA_BROKERS: '',
  S3_ENDPOINT: '',
  ROLES: '',
  HOST: '',
}
const sayWhy = (error: unknown) =>
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
const closeWorld = async () => {
  await world.stop()
  await rm(folder, { recursive: true, force: true })
}
const program = await startProgram({
  ...ownEngines,
  ...environmentFor({ url: whatsAppUrl, rootKeyHex: rootKey.toString('hex'), mediaCaFile }),
  PORT: String(port),
  DATA_DIR: DATA_FOLDER,
  ADMIN_EMAIL: account.email,
  ADMIN_PASSWORD: account.password,
  RATE_LIMIT_REQUESTS: '0',
  OUTBOUND_ALLOW: '127.0.0.0/8',
}).catch(async (error: unknown) => {
  sayWhy(error)
  await closeWorld()
  return process.exit(1)
})

let stopping = false
const ends: (() => Promise<unknown>)[] = []
/** Ctrl-C reaches the program by itself, and a second one would cut it off. */
const stopProgram = async () => {
  try {
    process.kill(program.pid, 'SIGTERM')
  } catch {
    // It has ended already.
  }
  await program.ended
}
const stop = async (code: number) => {
  if (stopping) return
  stopping = true
  await Promise.all([stopProgram(), ...ends.map((end) => end())])
  await closeWorld()
  process.exit(code)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop(0))
void program.ended.then((code) => {
  if (!stopping) process.stderr.write(`The program has ended (${code}):\n${program.output()}\n`)
  return stop(1)
})

const open = async () => {
  const instance = await openInstance(program.url, account)
  const pagePort = Number(new URL(program.url).port) + 1
  const phone = await servePhone({ world, business, people, instance }, pagePort)
  ends.push(phone.stop)
  if ((await instance.connection()).status !== 'connected') {
    say(`Pairing: the phone of the business scans the QR code. See ${phone.url}`)
    await business.scan(await instance.qr())
  }
  const curl = (path: string, body?: object) =>
    [
      `curl -s ${program.url}${path} -H 'Authorization: Bearer ${instance.token}'`,
      ...(body ? [`  -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`] : []),
    ].join(' \\\n')
  say(`
The phones      ${phone.url}
The API         ${program.url}/docs   (${account.email}, password ${account.password})

Write on the page, and it comes in at the program:

${curl('/conversations')}

Send from the program, and it shows on the page:

${curl('/send-message', { recipient: people[0]?.phoneNumber, message: 'Hello Maria, how can we help?' })}

Ctrl-C ends all of it.`)
}
open().catch((error: unknown) => {
  sayWhy(error)
  return stop(1)
})
