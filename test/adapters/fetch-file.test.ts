import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { addressGuard } from '../../src/adapters/outbound/address-guard.ts'
import { guardedFetch } from '../../src/adapters/outbound/fetch-file.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp()
})

const serve = async (listener: RequestListener) => {
  const server = createServer(listener)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  cleanups.push(() => {
    server.closeAllConnections()
    return new Promise((done) => server.close(done))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const fetcher = (timeouts: object = {}, allow = ['127.0.0.0/8']) => {
  const usual = { connectMs: 2000, answerMs: 5000, stallMs: 5000, totalMs: 10_000 }
  const { fetchFile, close } = guardedFetch(addressGuard(allow), { ...usual, ...timeouts })
  cleanups.push(close)
  return fetchFile
}
const unavailable = (message: string) => expect.objectContaining({ name: 'FileUnavailable', message })

describe('fetching a file', () => {
  it('gives its bytes, and what the other side says about it', async () => {
    const url = await serve((_, response) =>
      response
        .writeHead(200, { 'content-type': 'image/png', 'content-disposition': 'inline; filename="logo.png"' })
        .end('bytes'),
    )
    const { body, ...about } = await fetcher()(`${url}/x`)
    expect(about).toEqual({ mimeType: 'image/png', filename: 'logo.png' })
    expect((await buffer(body)).toString()).toBe('bytes')
  })
  it.each([
    ['/a%20b.pdf?x=1', undefined, 'a b.pdf'],
    ['/', undefined, undefined],
    ['/%ff', undefined, undefined],
    ['/x', `attachment; filename="plain.pdf"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf`, 'résumé.pdf'],
    ['/x', `attachment; filename*=UTF-8''%ff; filename=plain.pdf`, 'plain.pdf'],
  ])('takes the name of %s, %s, as %s', async (path, disposition, name) => {
    const url = await serve((_, response) =>
      response
        .writeHead(200, disposition === undefined ? {} : { 'content-disposition': disposition })
        .end('x'),
    )
    const { body, filename } = await fetcher()(url + path)
    await buffer(body)
    expect(filename).toBe(name)
  })
  it('ends when no answer comes in time', async () => {
    const url = await serve(() => undefined)
    await expect(fetcher({ totalMs: 300 })(url)).rejects.toEqual(unavailable('took too long'))
  })
  it('ends when the whole takes too long, however steadily it arrives', async () => {
    const url = await serve((_, response) => {
      const dripping = setInterval(() => response.write('x'), 20)
      response.on('close', () => clearInterval(dripping))
    })
    const { body } = await fetcher({ totalMs: 500 })(url)
    await expect(buffer(body)).rejects.toEqual(unavailable('took too long'))
  })
  it('ends when nothing more arrives', async () => {
    const url = await serve((_, response) => void response.write('x'))
    const { body } = await fetcher({ stallMs: 300 })(url)
    await expect(buffer(body)).rejects.toEqual(unavailable('the file stopped arriving'))
  })
  it('lets go of the connection when the file is not wanted any more', async () => {
    let closed = false
    const url = await serve((_, response) => {
      response.on('close', () => (closed = true)).write(Buffer.alloc(1_000_000))
    })
    const { body } = await fetcher()(url)
    body.destroy()
    await expect.poll(() => closed).toBe(true)
  })
  it('refuses what comes compressed, which would have no honest size', async () => {
    const url = await serve((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'))
    await expect(fetcher()(url)).rejects.toEqual(unavailable('answered compressed'))
  })
  it.each(['http://localhost', 'http://127.0.0.1', 'http://2130706433', 'http://[::ffff:7f00:1]'])(
    'goes to no private address, written as %s',
    async (host) => {
      let asked = 0
      const { port } = new URL(await serve((_, response) => response.end(String(asked++))))
      await expect(fetcher({}, [])(`${host}:${port}/`)).rejects.toMatchObject({
        message: expect.stringMatching(/^address not allowed: /),
      })
      expect(asked).toBe(0)
    },
  )
})
