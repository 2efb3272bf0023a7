import type { Client } from './client.ts'

export type StreamEvent = {
  readonly id: string
  readonly event: string
  readonly data: { event: string; instance_uuid: string; timestamp: string; data: Record<string, unknown> }
}

/** Listens to `GET /events` as a browser does, without coming back by itself. */
export const listen = async (
  { url, token }: Client,
  { query = '', lastEventId }: { readonly query?: string; readonly lastEventId?: string | undefined } = {},
) => {
  const gone = new AbortController()
  const response = await fetch(`${url}/events${query}`, {
    headers: {
      authorization: `Bearer ${token ?? ''}`,
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    },
    signal: gone.signal,
  })
  const stream = {
    status: response.status,
    headers: response.headers,
    events: [] as StreamEvent[],
    /** Everything but events. */
    others: [] as string[],
    lastEventId,
  }
  const take = (block: string) => {
    const fields = new Map(
      block.split('\n').map((line) => {
        const [, name = '', value = ''] = /^([^:]*): ?(.*)$/.exec(line) ?? []
        return [name, value] as const
      }),
    )
    stream.lastEventId = fields.get('id') ?? stream.lastEventId
    const data = fields.get('data')
    if (data === undefined) stream.others.push(block)
    else
      stream.events.push({
        id: fields.get('id') ?? '',
        event: fields.get('event') ?? '',
        data: JSON.parse(data) as StreamEvent['data'],
      })
  }
  const read = async () => {
    let text = ''
    const decoder = new TextDecoder()
    for await (const part of response.body ?? []) {
      text += decoder.decode(part as Uint8Array, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      blocks.forEach(take)
    }
  }
  /** `end` if the server ended it, `broken` if the connection broke. */
  const ended = read().then(
    () => 'end' as const,
    () => 'broken' as const,
  )
  return Object.assign(stream, {
    ended,
    close: async () => {
      gone.abort()
      await ended
    },
  })
}
