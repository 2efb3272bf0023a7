/** An answer of the API, its body parsed. */
export type Answer<T = Record<string, never>> = {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

/* eslint-disable @typescript-eslint/no-explicit-any -- answers are looked at field by field in the tests */
export type Json = any

/** Calls the API as a client does. `token` is sent as bearer token. */
export const createClient = (url: string, token?: string) => {
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<Json>> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        accept: 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    // A stream of events does not end by itself.
    const isEndless = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false
    if (isEndless) await response.body?.cancel()
    const text = isEndless ? '' : await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') ?? false
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? JSON.parse(text) : text,
    }
  }
  return {
    url,
    token,
    /** For requests that are not JSON. */
    authorization: `Bearer ${token ?? ''}`,
    call,
    get: (path: string) => call('GET', path),
    post: (path: string, body: unknown = {}, headers?: Record<string, string>) =>
      call('POST', path, body, headers),
    put: (path: string, body: unknown) => call('PUT', path, body),
    delete: (path: string) => call('DELETE', path),
    /** The same API with another token. */
    as: (other: string) => createClient(url, other),
  }
}
export type Client = ReturnType<typeof createClient>

export const login = async (url: string, email: string, password: string): Promise<Client> => {
  const { body } = await createClient(url).post('/auth/login', { email, password })
  return createClient(url, body.data.token)
}

/** Creates a sandbox instance and scans its code: it is connected when this resolves. */
export const createConnectedInstance = async (client: Client, name = 'test'): Promise<string> => {
  const { body } = await client.post('/instances', { name, provider: 'sandbox' })
  const id: string = body.data.instance.uuid
  for (;;) {
    const scan = await client.post(`/sandbox/instances/${id}/scan`, {})
    if (scan.status === 200) return id
    if (scan.status !== 404) throw new Error(`scan answered ${scan.status}: ${JSON.stringify(scan.body)}`)
  }
}

/** An incoming message as the reference's hook has it. */
export const incomingPayload = (id: string, from = '5511999999999', text = `text of ${id}`) => ({
  remoteJid: `${from}@s.whatsapp.net`,
  message: { conversation: text },
  messageTimestamp: 1_705_312_200,
  pushName: `Name of ${from}`,
  key: { remoteJid: `${from}@s.whatsapp.net`, fromMe: false, id },
})
