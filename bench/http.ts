import { Pool } from 'undici'

export type Poster = {
  /** Posts JSON and answers the parsed answer; rejects unless it is a success. */
  readonly call: (method: 'POST' | 'PUT', path: string, body: unknown) => Promise<Json>
  readonly close: () => Promise<void>
}
/** An answer, looked at field by field; what is not there is undefined. */
export type Json = { readonly [name: string]: Json } & string

/** A client that keeps its connections, as cheap as there is one: it shares the processors with what it measures. */
export const createPoster = (url: string, token: string | undefined, connections: number): Poster => {
  const pool = new Pool(url, { connections, pipelining: 1 })
  const headers = {
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }
  return {
    call: async (method, path, body) => {
      const answer = await pool.request({ method, path, headers, body: JSON.stringify(body) })
      const text = await answer.body.text()
      if (answer.statusCode > 299) throw new Error(`${path} answered ${answer.statusCode}: ${text}`)
      return JSON.parse(text)
    },
    close: () => pool.close(),
  }
}
