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
  /** Hears that the place of a group in a partition is not there, and that it goes on with the oldest record. */
  readonly onGap?: () => void
}

const CONNECT_TIMEOUT_MS = 3000
const REQUEST_TIMEOUT_MS = 30_000

/** Within one call, about three seconds. All of it is said: where NODE_ENV is `test`, kafkajs has other defaults. */
export const clientRetry: RetryOptions = {
  initialRetryTime: 100,
  maxRetryTime: 2000,
  factor: 0.2,
  multiplier: 2,
  retries: 5,
}

export const createClient = ({
  brokers,
  clientId,
  tls,
  sasl,
  log,
  onGap = () => {},
}: ClientOptions): Kafka => {
  if (sasl?.mechanism === 'plain' && !tls)
    log('warn', 'the password for Kafka is sent without TLS: anybody on the way can read it', {})
  return new kafkajs.Kafka({
    brokers: [...brokers],
    clientId,
    ssl: tls ? (tls.ca === undefined ? true : { ca: [tls.ca] }) : false,
    ...(sasl && { sasl: saslOptions(sasl) }),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: clientRetry,
    // Below that it would log what is in requests.
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => writeTo(log, onGap),
  })
}

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

/** Said of every producer that does not try for ever; docs/decisions/0022-kafkajs.md has what is done instead. */
const EXPECTED = 'Limiting retries for the idempotent producer may invalidate EoS guarantees'

/** Said by a consumer whose next record is not there, before it goes on with the oldest one, and in no other way. */
const OUT_OF_RANGE = 'Offset out of range, resetting to default offset'
const GAP =
  'records were deleted before they were read, or the topic was made anew: the group goes on with the oldest record'

const writeTo =
  (log: KafkaLog, onGap: () => void) =>
  ({ namespace, label, log: entry }: LogEntry) => {
    const fields: Record<string, unknown> = { from: `kafkajs ${namespace}` }
    for (const name of SHOWN) {
      const value: unknown = entry[name]
      if (value !== undefined) fields[name] = value instanceof Error ? value.message : value
    }
    if (entry.message === OUT_OF_RANGE) {
      onGap()
      return log('error', GAP, fields)
    }
    log(entry.message === EXPECTED ? 'debug' : (levels[label] ?? 'debug'), entry.message, fields)
  }
