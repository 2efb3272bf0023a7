/**
 * A stand-in for one Kafka broker, for tests of the adapter: it speaks as much of the protocol as kafkajs 2.2.4 needs
 * for this program, and keeps its files through a SIGKILL. It is not Kafka: one node, no replication, no retention, no
 * compaction, no transactions, no quotas, no fsync, and only what the tests need of rights. It does not show that a real
 * broker agrees; `npm run test:kafka` does.
 *
 * node --import tsx test/stand-ins/kafka/main.ts --data <folder> [--port 0] [--proxied-port 0 --advertised-port <n>]
 *   [--secure-port 0 --key <file> --certificate <file>]
 *
 * `--proxied-port` is a second listener that tells clients to come by `--advertised-port`; `--secure-port` asks for TLS
 * and a login. Prints its ports as JSON once it listens.
 */
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, Server as TlsServer } from 'node:tls'
import { parseArgs } from 'node:util'
import type { Broker } from './api.ts'
import { serveConnection } from './connection.ts'
import { createGroup, type Group } from './group.ts'
import { openStorage } from './storage.ts'

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    data: text,
    port: { ...text, default: '0' },
    'proxied-port': text,
    'advertised-port': text,
    'secure-port': text,
    key: text,
    certificate: text,
  },
})
if (values.data === undefined) throw new Error('--data is missing')

const groups = new Map<string, Group>()
const broker: Broker = {
  storage: openStorage(values.data),
  changes: new EventEmitter().setMaxListeners(0),
  groupOf: (id) => {
    const group = groups.get(id) ?? createGroup()
    groups.set(id, group)
    return group
  },
}

const portOf = (server: Server) => {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}
const listen = async (server: Server, port: string, advertised?: string) => {
  const isSecure = server instanceof TlsServer
  server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) =>
    serveConnection(socket, broker, {
      clientId: '',
      host: isSecure ? 'localhost' : '127.0.0.1',
      port: advertised === undefined ? portOf(server) : Number(advertised),
      isAuthorized: !isSecure,
    }),
  )
  await new Promise<void>((done) => server.listen(Number(port), '127.0.0.1', done))
  return portOf(server)
}

const { 'proxied-port': proxied, 'secure-port': secure, key = '', certificate = '' } = values
const secureServer = () => createTlsServer({ key: readFileSync(key), cert: readFileSync(certificate) })
const ports = {
  plain: await listen(createServer(), values.port),
  ...(proxied !== undefined && {
    proxied: await listen(createServer(), proxied, values['advertised-port']),
  }),
  ...(secure !== undefined && { secure: await listen(secureServer(), secure) }),
}
process.stdout.write(`${JSON.stringify(ports)}\n`)
