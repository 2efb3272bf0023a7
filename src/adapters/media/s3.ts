import type { Readable } from 'node:stream'
import { AwsV4Signer } from 'aws4fetch'
import { Agent, type Dispatcher } from 'undici'
import { StoreUnavailable } from '../../ports/event-store.ts'
import type { ByteRange, MediaStore } from '../../ports/media-store.ts'
import { mustBeUuid } from './ids.ts'

const CONNECT_TIMEOUT_MS = 10_000
/** Until the answer begins; for a PUT from the end of the body. */
const ANSWER_TIMEOUT_MS = 30_000
/** Between two parts of a body. */
const STALL_TIMEOUT_MS = 30_000
const PUT_TIMEOUT_MS = 600_000
const CONNECTIONS = 64
const FAULT_EXCERPT = 500

export type S3Settings = {
  /** `https://s3.example.com`; the bucket stands in the path. */
  readonly endpoint: string
  readonly bucket: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

type Call = { readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'; readonly id: string }
type Answer = Dispatcher.ResponseData

/** Files in a bucket of S3, or of anything that speaks its protocol (MinIO, Ceph, R2 ...). */
export const s3MediaStore = (settings: S3Settings): MediaStore & { close(): Promise<void> } => {
  const { bucket, region, accessKeyId, secretAccessKey } = settings
  const endpoint = settings.endpoint.replace(/\/+$/, '')
  const agent = new Agent({
    connections: CONNECTIONS,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: STALL_TIMEOUT_MS,
  })

  const signed = async ({ method, id }: Call, headers: Record<string, string>) => {
    mustBeUuid(id)
    const url = `${endpoint}/${bucket}/${id}`
    const keys = { accessKeyId, secretAccessKey, region, service: 's3' }
    const { headers: all } = await new AwsV4Signer({ method, url, headers, ...keys }).sign()
    return { url: new URL(url), headers: Object.fromEntries(all) }
  }

  const call = async (
    { method, id }: Call,
    {
      headers = {},
      ...rest
    }: { headers?: Record<string, string>; body?: Readable; signal?: AbortSignal } = {},
  ): Promise<Answer> => {
    const request = await signed({ method, id }, headers)
    const { origin, pathname: path } = request.url
    return agent
      .request({ origin, path, method, headers: request.headers, ...rest })
      .catch((error: unknown) => {
        throw new StoreUnavailable(`${method} of a file failed: ${reasonOf(error)}`, { cause: error })
      })
  }

  const put: MediaStore['put'] = async (id, content, size) => {
    const headers = { 'content-length': String(size), 'content-type': 'application/octet-stream' }
    const signal = AbortSignal.timeout(PUT_TIMEOUT_MS)
    try {
      const answer = await call({ method: 'PUT', id }, { headers, body: content, signal })
      await settled('PUT', answer, [200])
    } finally {
      content.destroy()
    }
  }

  const open = async (id: string, range?: ByteRange) => {
    const headers: Record<string, string> = range ? { range: `bytes=${range.start}-${range.end}` } : {}
    const answer = await call({ method: 'GET', id }, { headers })
    if (answer.statusCode === (range ? 206 : 200)) return answer.body
    await settled('GET', answer, [404])
    return undefined
  }

  return {
    put,
    open,
    stat: async (id) => {
      const answer = await call({ method: 'HEAD', id })
      await settled('HEAD', answer, [200, 404])
      return answer.statusCode === 200 ? { size: Number(answer.headers['content-length']) } : undefined
    },
    delete: async (id) => {
      await settled('DELETE', await call({ method: 'DELETE', id }), [200, 204, 404])
    },
    close: () => agent.close(),
  }
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

/** Reads the answer to its end. Any status but those expected is a fault of the store, told in its own words. */
const settled = async (method: string, { statusCode, body }: Answer, expected: readonly number[]) => {
  const text = await body.text()
  if (!expected.includes(statusCode))
    throw new StoreUnavailable(
      `${method} of a file was answered ${statusCode}: ${text.slice(0, FAULT_EXCERPT)}`,
    )
}
