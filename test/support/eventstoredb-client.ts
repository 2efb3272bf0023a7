/**
 * Does to a server what the program never does, through the official client: as a process of its own, since a process
 * has one client. Arguments: connection string, operations as JSON.
 */
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'

export type Operation =
  | { readonly do: 'append'; readonly stream: string; readonly type: string; readonly data: object | string }
  | { readonly do: 'delete' | 'tombstone'; readonly stream: string }

const [, , url = '', operations = '[]'] = process.argv
const client = EventStoreDBClient.connectionString(url)
for (const operation of JSON.parse(operations) as readonly Operation[]) {
  switch (operation.do) {
    case 'append': {
      const { stream, type, data } = operation
      await client.appendToStream(
        stream,
        jsonEvent({ type, data: typeof data === 'string' ? data : { ...data } }),
      )
      break
    }
    case 'delete':
      await client.deleteStream(operation.stream)
      break
    case 'tombstone':
      await client.tombstoneStream(operation.stream)
      break
  }
}
await client.dispose()
