import { randomUUID } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { Refusal } from '../domain/errors.ts'
import { answerTo } from './errors.ts'
import { now } from './times.ts'

export const starting = new Refusal('UNAVAILABLE', 'The server is starting. Try again in a few seconds.')

/** Answers before the program has opened its parts: it lives, and can do nothing yet. */
export const answerWhileStarting: RequestListener = ({ url = '' }, response) => {
  const [path] = url.split('?', 1)
  const { status, headers, body } = answerTo(starting, randomUUID())
  if (path === '/health' || path === '/api/v1/health') {
    response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' })
    response.end(JSON.stringify({ status: 'ok', uptime: Math.floor(process.uptime()), timestamp: now() }))
  } else if (path === '/ready' || path === '/api/v1/ready') {
    response.writeHead(status, { ...headers, 'Content-Type': 'application/json; charset=utf-8' })
    response.end(JSON.stringify({ status: 'starting', projections: [], reactions: [] }))
  } else {
    response.writeHead(status, { ...headers, 'Content-Type': 'application/json; charset=utf-8' })
    response.end(JSON.stringify(body))
  }
}
