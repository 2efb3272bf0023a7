/**
 * A stand-in for EventStoreDB, for tests and development: a process that speaks so much of its gRPC protocol as the
 * official client needs for streams, and keeps its log in one file. It is not EventStoreDB. It was written from that
 * client and from documents; what it does was never compared with a real server.
 *
 * It covers reading of streams and of $all either way, catch-up subscriptions with filters, appends in batches and
 * alone with their rules of idempotence and the limit of 1 MiB, soft deletes, tombstones, the metadata of streams
 * ($maxCount, $maxAge, $tb), links, system events in $all, gossip of a single node, TLS and Basic authentication.
 *
 * It does not cover persistent subscriptions, projections, access control lists, users, clusters, scavenging, deadlines,
 * the HTTP interface, and a loss of power: a line is safe once the process has written it, though not on the disk.
 *
 * node --import tsx test/stand-ins/eventstoredb/main.ts --port 0 --data <folder>
 *   [--key <file> --certificate <file>] [--login <user:password>] [--fail-features <times>]
 *   [--busy-stream <name>] [--guarded]
 * prints its connection string once it is up; guarded, it ends with its standard input, and does not outlive a parent.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openLog } from './log.ts'
import { startServer } from './server.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '2113' },
    data: { type: 'string', default: 'data/eventstoredb-stand-in' },
    key: { type: 'string' },
    certificate: { type: 'string' },
    login: { type: 'string' },
    'fail-features': { type: 'string', default: '0' },
    'busy-stream': { type: 'string' },
    guarded: { type: 'boolean', default: false },
  },
})
const { key, certificate, login, 'busy-stream': busyStream } = values
const tls =
  key && certificate ? { key: readFileSync(key), certificate: readFileSync(certificate) } : undefined

const port = await startServer(openLog(values.data), Number(values.port), {
  ...(tls && { tls }),
  ...(login !== undefined && { login }),
  failFeatures: Number(values['fail-features']),
  ...(busyStream !== undefined && { busyStream }),
})
const user = login === undefined ? '' : `${login}@`
const query = tls ? `?tls=true&tlsCAFile=${certificate ?? ''}` : '?tls=false'
process.stdout.write(`esdb://${user}localhost:${port}${query}\n`)

if (values.guarded) process.stdin.resume().once('end', () => process.exit(0))
