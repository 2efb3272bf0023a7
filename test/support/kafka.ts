import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { kafkaBus, type KafkaBusOptions } from '../../src/adapters/kafka/bus.ts'
import { testCertificate, testKey } from './certificate.ts'
import { startKafkaProxy } from './kafka-proxy.ts'

const root = join(import.meta.dirname, '../..')
const address = (port: number) => `127.0.0.1:${port}`

type Ports = { readonly plain: number; readonly proxied: number; readonly secure: number }

/** Starts the stand-in, or begins anew with what it has left behind. */
const startStandIn = async (directory: string, advertised: number, ports: Ports) => {
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
  await Promise.all([writeFile(key, testKey), writeFile(certificate, testCertificate)])
  const options = {
    data: join(directory, 'data'),
    port: ports.plain,
    'proxied-port': ports.proxied,
    'advertised-port': advertised,
    'secure-port': ports.secure,
    key,
    certificate,
  }
  const child = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      join(root, 'test/stand-ins/kafka/main.ts'),
      ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    ],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [line] = await Promise.race([
    new Promise<[string]>((done) => createInterface(child.stdout).once('line', (text) => done([text]))),
    ended(child).then(() => Promise.reject(new Error('The stand-in for Kafka did not start'))),
  ])
  return { child, ports: JSON.parse(line) as Ports }
}
const ended = (child: ChildProcess) =>
  new Promise<void>((done) => {
    if (child.exitCode !== null || child.signalCode !== null) done()
    else child.once('exit', () => done())
  })

const standIn = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'zapini-kafka-'))
  let ports: Ports = { plain: 0, proxied: 0, secure: 0 }
  const proxy = await startKafkaProxy(0, () => ports.proxied)
  let child: ChildProcess
  const start = async () => {
    const started = await startStandIn(directory, proxy.port, ports)
    child = started.child
    ports = started.ports
  }
  const kill = async () => {
    child.kill('SIGKILL')
    await ended(child)
  }
  await start()
  return {
    isReal: false,
    plain: address(ports.plain),
    secure: `localhost:${ports.secure}`,
    proxy,
    start,
    kill,
    stop: async () => {
      await Promise.all([kill(), proxy.close()])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The broker that infra/kafka/test.sh has started, with what it has put into the environment. */
const realKafka = async (plain: string) => {
  const port = (name: string) => Number(process.env[name] ?? 0)
  const proxy = await startKafkaProxy(port('KAFKA_ADVERTISED_PORT'), () => port('KAFKA_PROXIED_PORT'))
  const script = async (command: string) => {
    await promisify(execFile)(join(root, 'infra/kafka/kafka.sh'), [command])
  }
  return {
    isReal: true,
    plain,
    secure: `localhost:${port('KAFKA_SECURE_PORT')}`,
    proxy,
    start: () => script('start'),
    kill: () => script('kill'),
    stop: () => proxy.close(),
  }
}

/**
 * A broker with three listeners: `plain`, one behind a proxy that can spoil answers, and one with TLS and a login. It is
 * a stand-in, but a real one under `npm run test:kafka`.
 */
export const startKafka = async () => {
  const { KAFKA_BROKERS, KAFKA_PORT } = process.env
  if (KAFKA_PORT !== undefined) return realKafka(address(Number(KAFKA_PORT)))
  return KAFKA_BROKERS !== undefined ? realKafka(KAFKA_BROKERS) : standIn()
}
export type KafkaUnderTest = Awaited<ReturnType<typeof startKafka>>

/** Topics of its own for each test, since they share a broker. */
export const newPrefix = () => `test-${randomUUID().slice(0, 8)}`

/** A bus whose waits are short, and which keeps what it says. */
export const openKafkaBus = (
  options: Pick<KafkaBusOptions, 'brokers' | 'prefix'> & Partial<KafkaBusOptions>,
) => {
  const errors: unknown[] = []
  const lines: { readonly level: string; readonly text: string; readonly fields: object }[] = []
  const bus = kafkaBus({
    partitions: 3,
    replication: 1,
    onError: (error) => errors.push(error),
    log: (level, text, fields) => lines.push({ level, text, fields }),
    ...options,
    times: { sessionMs: 6000, rebalanceMs: 6000, heartbeatMs: 300, fetchMs: 200, ...options.times },
  })
  return { ...bus, errors, lines }
}
