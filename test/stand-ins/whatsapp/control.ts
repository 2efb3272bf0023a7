/** The commands of the stand-in over HTTP: `POST /<command>` with its input in JSON. On 127.0.0.1 alone. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Commands } from './commands.ts'

export const serveControl = async (commands: Commands, port = 0) => {
  const call = async (name: string, input: unknown): Promise<unknown> => {
    if (!Object.hasOwn(commands, name)) throw new Error(`There is no command ${name}`)
    const command = commands[name as keyof Commands] as (input: unknown) => unknown
    return (await command(input)) ?? null
  }
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.headers.origin !== undefined) return answer(403, { error: 'Not for pages of a browser' })
    if (request.method !== 'POST') return answer(405, { error: 'POST /<command>' })
    return json(request)
      .then((input) => call((request.url ?? '').slice(1), input))
      .then(
        (result) => answer(200, result),
        (error: unknown) => answer(400, { error: error instanceof Error ? error.message : String(error) }),
      )
  })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
