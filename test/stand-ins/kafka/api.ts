import type { EventEmitter } from 'node:events'
import type { Group } from './group.ts'
import type { Storage } from './storage.ts'
import type { Reader } from './wire.ts'

/** What is known of the client at the other end of a connection. */
export type Session = {
  clientId: string
  /** Where this broker says that it is, on the listener that the client came by. */
  readonly host: string
  readonly port: number
  /** May be used without rights, or with all of them. */
  isAuthorized: boolean
}

export type Broker = {
  readonly storage: Storage
  /** Says `produced` when there is more to read. */
  readonly changes: EventEmitter
  readonly groupOf: (id: string) => Group
}

/** One kind of request, in the one version that is offered: the highest that kafkajs 2.2.4 speaks. */
export type Api = {
  readonly key: number
  readonly version: number
  readonly answer: (request: Reader, broker: Broker, session: Session) => Buffer | Promise<Buffer>
}
export const api = (key: number, version: number, answer: Api['answer']): Api => ({ key, version, answer })
