import kafkajs, { type Kafka, type LogEntry, type RetryOptions, type SASLOptions } from 'kafkajs'

export type KafkaLevel = 'debug' | 'info' | 'warn' | 'error'
export type KafkaLog = (level: KafkaLevel, text: string, fields: Record<string, unknown>) => void

type Login = {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

export type ClientOptions = {
  /** Each as `host:port`. */
  readonly brokers: readonly string[]
  readonly clientId: string
  /** TLS, with a certificate authority in PEM if the brokers' is not one that everybody knows. */
  readonly tls?: { readonly ca?: string }
  readonly sasl?: Login
  readonly log: KafkaLog
}

const CONNECT_TIMEOUT_MS = 3000
const REQUEST_TIMEOUT_MS = 30_000

/** Within one call, about six seconds. All of it is said: where NODE_ENV is `test`, kafkajs has other defaults. */
export const clientRetry: RetryOptions = {
  initialRetryTime: 100,
  maxRetryTime: 2000,
  factor: 0.2,
  multiplier: 2,
  retries: 6,
}

export const createClient = ({ brokers, clientId, tls, sasl, log }: ClientOptions): Kafka =>
  new kafkajs.Kafka({
    brokers: [...brokers],
    clientId,
    ssl: tls ? (tls.ca === undefined ? true : { ca: [tls.ca] }) : false,
    ...(sasl && { sasl: saslOptions(sasl) }),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: clientRetry,
    // Below that it would log what is in requests.
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => writeTo(log),
  })

/** As kafkajs has it: a type for each mechanism. */
const saslOptions = ({ mechanism, ...login }: Login): SASLOptions => {
  switch (mechanism) {
    case 'plain':
      return { mechanism, ...login }
    case 'scram-sha-256':
      return { mechanism, ...login }
    case 'scram-sha-512':
      return { mechanism, ...login }
  }
}

/** What is worth a line of ours; the rest, such as members' addresses and stacks, is left out. */
const SHOWN = [
  'broker',
  'groupId',
  'topic',
  'partition',
  'error',
  'retryCount',
  'retryTime',
  'memberAssignment',
]

/** kafkajs calls an error what it tries again; what finally fails is thrown, and told by whoever catches it. */
const levels: Readonly<Record<string, KafkaLevel>> = { ERROR: 'warn', WARN: 'warn', INFO: 'info' }

const writeTo =
  (log: KafkaLog) =>
  ({ namespace, label, log: entry }: LogEntry) => {
    const fields: Record<string, unknown> = { from: `kafkajs ${namespace}` }
    for (const name of SHOWN) {
      const value: unknown = entry[name]
      if (value !== undefined) fields[name] = value instanceof Error ? value.message : value
    }
    log(levels[label] ?? 'debug', entry.message, fields)
  }
