import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { Pool } from 'undici'
import { logTable } from './raw-log.ts'

/**
 * What cannot be done without: no framework, no validation, no account, no read model. Every request is one raw
 * autocommit insert, or several one after the other, on as many connections as there are callers; then, if asked to,
 * one POST onwards.
 */
const env = (name: string) => process.env[name] ?? ''
const commits = Number(env('COMMITS'))
const database = new pg.Pool({ connectionString: env('DATABASE_URL'), max: Number(env('CONNECTIONS')) })
const target = env('FORWARD_TO') === '' ? undefined : new URL(env('FORWARD_TO'))
const onward = target && new Pool(target.origin, { connections: 16 })

await database.query(logTable)

const insert = (stream: string, revision: number, data: string) =>
  database.query({
    name: 'insert',
    text: 'insert into event (stream, revision, id, type, data, meta) values ($1, $2, $3, $4, $5, $6) returning position',
    values: [stream, revision, randomUUID(), 'MessageReceived', data, '{"tenant":"bench","version":1}'],
  })

const headers = { 'content-type': 'application/json' }
const forward = async (body: string) => {
  if (!onward || !target) return
  const answer = await onward.request({ method: 'POST', path: target.pathname, headers, body })
  await answer.body.dump()
}

const server = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const serve = async () => {
      const body = Buffer.concat(parts).toString()
      const stream = `message-${randomUUID()}`
      for (let revision = 0; revision < commits; revision++) await insert(stream, revision, body)
      response.writeHead(200, headers).end('{"success":true}')
      await forward(body)
    }
    serve().catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      response.destroy()
    })
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening at http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
})
process.once('SIGINT', () => process.exit())
