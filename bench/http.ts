import { Pool } from 'undici'

export type Poster = {
  /** Sends JSON and answers the parsed answer; rejects unless it is a success. */
  readonly call: (method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown) => Promise<unknown>
  readonly close: () => Promise<void>
}

/** The text at a place in parsed JSON, such as data, token. */
export const textAt = (json: unknown, ...path: readonly string[]): string => {
  const found = path.reduce<unknown>(
    (value, name) => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined),
    json,
  )
  if (typeof found !== 'string') throw new Error(`There is no ${path.join('.')} in ${JSON.stringify(json)}`)
  return found
}

/** A client that keeps its connections, as cheap as there is one: it shares the processors with what it measures. */
export const createPoster = (url: string, token: string | undefined, connections: number): Poster => {
  const pool = new Pool(url, { connections, pipelining: 1 })
  const headers = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }
  return {
    call: async (method, path, body) => {
      const content =
        body === undefined
          ? { headers }
          : { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
      const answer = await pool.request({ method, path, ...content })
      const text = await answer.body.text()
      if (answer.statusCode > 299) throw new Error(`${path} answered ${answer.statusCode}: ${text}`)
      return JSON.parse(text) as unknown
    },
    close: () => pool.close(),
  }
}
