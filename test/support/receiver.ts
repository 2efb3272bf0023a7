import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Received = {
  readonly headers: IncomingHttpHeaders
  /** Exactly as it came. */
  readonly raw: Buffer
  readonly event: string
  readonly data: Record<string, unknown>
  readonly body: Record<string, unknown>
  readonly at: number
}
type Answer = {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly delayMs?: number
  readonly body?: string
}

/** A customer's webhook receiver. `answer` decides what each request gets; 200 by default. */
export const startReceiver = async (
  answer: (received: Received, nth: number) => Answer | Promise<Answer> = () => ({ status: 200 }),
) => {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', async () => {
      const raw = Buffer.concat(parts)
      const body = JSON.parse(raw.toString()) as Record<string, unknown>
      const one: Received = {
        headers: request.headers,
        raw,
        body,
        event: String(body['event']),
        data: body['data'] as Record<string, unknown>,
        at: performance.now(),
      }
      received.push(one)
      const { status, headers, delayMs, body: text } = await answer(one, received.length)
      setTimeout(() => response.writeHead(status, headers).end(text), delayMs ?? 0)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    /** Every request, in order of arrival, whatever it was answered. */
    received,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
