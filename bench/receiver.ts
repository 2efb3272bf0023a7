import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A customer's webhook receiver. `arrived` gets each body and the time at which it was there, then 200 is answered. */
export const startReceiver = async (arrived: (body: string, atMs: number) => void) => {
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      arrived(Buffer.concat(parts).toString(), performance.now())
      response.writeHead(200).end()
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
