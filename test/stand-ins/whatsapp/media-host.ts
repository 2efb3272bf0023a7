/** Where files lie: an HTTPS host, to which clients and phones give encrypted files, and from which they take them. */
import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { testCertificate, testKey } from '../../support/certificate.ts'

type Stored = {
  readonly bytes: Buffer
  readonly type: string
  /** What is answered instead of the file: 404 and 410 are those of an old one. */
  status?: number
  damaged?: Buffer
}

export type Upload = { readonly path: string; readonly bytes: number; readonly auth: string | null }

/** What WhatsApp gives clients to upload with. */
export const UPLOAD_AUTH = 'upload-auth'

export const startMediaHost = async () => {
  const files = new Map<string, Stored>()
  const uploads: Upload[] = []
  const errors: Error[] = []
  let uploadsToFail = 0

  const put = (bytes: Buffer, type = 'application/octet-stream') => {
    const directPath = `/v/t62.7118-24/${randomUUID()}.enc`
    files.set(directPath, { bytes, type })
    return { url: `https://${host()}${directPath}`, directPath }
  }
  const found = (directPath: string): Stored => {
    const file = files.get(directPath)
    if (!file) throw new Error(`There is no file ${directPath}`)
    return file
  }

  const take = async (request: IncomingMessage, response: ServerResponse, url: URL) => {
    const bytes = await buffer(request)
    uploads.push({ path: url.pathname, bytes: bytes.length, auth: url.searchParams.get('auth') })
    if (uploadsToFail > 0) {
      uploadsToFail -= 1
      response.writeHead(500).end('{}')
      return
    }
    if (url.searchParams.get('auth') !== UPLOAD_AUTH) {
      response.writeHead(401).end('{}')
      return
    }
    if (!url.pathname.endsWith(`/${createHash('sha256').update(bytes).digest('base64url')}`)) {
      errors.push(new Error(`A file was uploaded under the hash of another one: ${url.pathname}`))
      response.writeHead(400).end('{}')
      return
    }
    const { url: address, directPath } = put(bytes)
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ url: address, direct_path: directPath }))
  }
  const give = (response: ServerResponse, url: URL) => {
    const file = files.get(url.pathname)
    const status = file ? (file.status ?? 200) : 404
    response.writeHead(status, file && { 'content-type': file.type })
    response.end(status === 200 ? (file?.damaged ?? file?.bytes) : undefined)
  }

  const server = createServer({ key: testKey, cert: testCertificate }, (request, response) => {
    const url = new URL(request.url ?? '/', 'https://localhost')
    if (request.method === 'GET') return give(response, url)
    if (request.method !== 'POST' || !url.pathname.includes('/mms/')) return response.writeHead(405).end()
    return take(request, response, url).catch((error: unknown) => {
      errors.push(error as Error)
      response.destroy()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const host = () => `localhost:${(server.address() as AddressInfo).port}`

  return {
    host: host(),
    /** The certificate that a client has to trust, in PEM. */
    certificate: testCertificate,
    /** Every attempt to upload, in order. */
    uploads,
    errors,
    put,
    /** As it was uploaded, whatever has become of it. */
    bytesOf: (directPath: string) => found(directPath).bytes,
    /** Everybody who asks for the file is refused from now on. */
    expire: (directPath: string, status: 404 | 410 = 410) => {
      found(directPath).status = status
    },
    /** What is given out is another file than was sent: a byte in its middle, and no sign of it. */
    damage: (directPath: string) => {
      const file = found(directPath)
      const damaged = Buffer.from(file.bytes)
      const middle = damaged.length >> 1
      damaged.writeUInt8(damaged.readUInt8(middle) ^ 0xff, middle)
      file.damaged = damaged
    },
    failUploads: (times: number) => {
      uploadsToFail = times
    },
    stop: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
export type MediaHost = Awaited<ReturnType<typeof startMediaHost>>
