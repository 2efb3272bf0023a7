import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

const S3_KEYS = { accessKeyId: 'AKTEST', secretAccessKey: 'a secret for tests' }
const REGION = 'eu-test-1'

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** AWS Signature Version 4 worked out anew, from its documentation; undefined where the request is not signed. */
const expectedSignature = ({ method = '', url = '', headers }: IncomingMessage): string | undefined => {
  const [, credential = '', signed = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=/.exec(
      headers.authorization ?? '',
    ) ?? []
  const [accessKeyId, date = '', region = '', ...rest] = credential.split('/')
  const names = signed.split(';')
  const needed = ['host', 'x-amz-content-sha256', 'x-amz-date']
  if (accessKeyId !== S3_KEYS.accessKeyId || region !== REGION || rest.join('/') !== 's3/aws4_request')
    return undefined
  if (!needed.every((name) => names.includes(name))) return undefined
  const lines = names.map((name) => `${name}:${String(headers[name]).trim()}`)
  const request = [method, url, '', ...lines, '', signed, headers['x-amz-content-sha256']].join('\n')
  const toSign = [
    'AWS4-HMAC-SHA256',
    headers['x-amz-date'],
    `${date}/${region}/s3/aws4_request`,
    sha256(request),
  ]
  const key = ['s3', 'aws4_request'].reduce(hmac, hmac(hmac(`AWS4${S3_KEYS.secretAccessKey}`, date), region))
  return hmac(key, toSign.join('\n')).toString('hex')
}

const fault = (response: ServerResponse, status: number, code: string) =>
  response.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code></Error>`)

/**
 * A stand-in for an S3-compatible store: objects of one bucket in memory, every request checked for its signature. It
 * knows what the adapter needs of the protocol and nothing more; it does not show that a real store agrees.
 */
export const startS3StandIn = async (bucket = 'media') => {
  const objects = new Map<string, Buffer>()
  const refused: string[] = []

  const put = async (request: IncomingMessage, response: ServerResponse, key: string) => {
    const length = request.headers['content-length']
    if (length === undefined) return fault(response, 411, 'MissingContentLength')
    const body = await buffer(request).catch(() => undefined)
    if (body?.length !== Number(length)) return response.destroy()
    objects.set(key, body)
    return response.writeHead(200).end()
  }

  const get = (
    { method, headers }: IncomingMessage,
    response: ServerResponse,
    object: Buffer | undefined,
  ) => {
    if (!object) return fault(response, 404, 'NoSuchKey')
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
    const part = start === undefined ? object : object.subarray(Number(start), Number(end) + 1)
    response.writeHead(start === undefined ? 200 : 206, { 'content-length': part.length })
    return method === 'HEAD' ? response.end() : response.end(part)
  }

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const signature = expectedSignature(request)
    if (signature === undefined || !request.headers.authorization?.endsWith(`Signature=${signature}`)) {
      refused.push(`${request.method} ${request.url}`)
      request.resume()
      return fault(response, 403, 'SignatureDoesNotMatch')
    }
    const [, inBucket, key = ''] = (request.url ?? '').split('/')
    if (inBucket !== bucket) return fault(response, 404, 'NoSuchBucket')
    if (request.method === 'PUT') return put(request, response, key)
    if (request.method !== 'DELETE') return get(request, response, objects.get(key))
    objects.delete(key)
    return response.writeHead(204).end()
  }

  const server = createServer((request, response) => void serve(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    settings: { endpoint, bucket, region: REGION, ...S3_KEYS },
    objects,
    /** Requests whose signature was not right. */
    refused,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
