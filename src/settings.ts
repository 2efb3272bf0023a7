import { Type, type Static } from 'typebox'
import { logLevels } from './log.ts'
import { roles } from './roles.ts'

const DAY_SECONDS = 86_400
const positive = (description: string, byDefault: number) =>
  Type.Integer({ description, default: byDefault, minimum: 1 })
const days = (description: string, byDefault: number) =>
  Type.Integer({ description, default: byDefault, minimum: 1, maximum: 3650 })

/** Every setting. `rateLimitRequests` here is RATE_LIMIT_REQUESTS in the environment. */
export const Settings = Type.Object({
  host: Type.String({ description: 'Address to listen on; 0.0.0.0 for all.', default: '127.0.0.1' }),
  port: Type.Integer({
    description: 'Port to listen on; 0 takes a free one.',
    default: 3000,
    minimum: 0,
    maximum: 65_535,
  }),
  publicUrl: Type.Optional(
    Type.String({
      description: 'URL that clients reach this server at, for links and the documentation.',
      pattern: '^https?://',
    }),
  ),
  trustProxy: Type.Boolean({
    description: 'Whether to believe X-Forwarded-For and X-Forwarded-Host. Only behind a proxy of yours.',
    default: false,
  }),
  roles: Type.Array(Type.Enum([...roles]), {
    description:
      'What this node does, with commas: api, projector (read models), relay (public events and all else that follows from the log), webhooks (deliveries), gateway (WhatsApp sessions). Nodes on one database share the work.',
    default: [...roles],
    minItems: 1,
  }),
  nodeUrl: Type.Optional(
    Type.String({
      description:
        'URL at which the other nodes reach this one; without it, its host name and port, or HOST and PORT where HOST is one address.',
      pattern: '^https?://',
    }),
  ),
  eventstorePrefix: Type.String({
    description:
      'What the names of all streams begin with in EventStoreDB, where others use it too; its one dash is at its end.',
    default: '',
    maxLength: 50,
    // So that none is the beginning of another one, whose streams would be taken for ours.
    pattern: '^([a-zA-Z0-9_.]+-)?$',
  }),
  kafkaBrokers: Type.Array(Type.String({ pattern: '^[^:\\s]+:\\d+$' }), {
    description:
      'Kafka brokers as host:port, with commas; without them, public events stay in this database.',
    default: [],
  }),
  kafkaPrefix: Type.String({
    description: 'What the names of topics and consumer groups begin with, before a dot.',
    default: 'zapini',
    minLength: 1,
    maxLength: 50,
    pattern: '^[a-zA-Z0-9_-]+$',
  }),
  kafkaPartitions: Type.Integer({
    description:
      'Partitions of the topics when they are made. They cannot be changed without changing the order of events.',
    default: 12,
    minimum: 1,
    maximum: 1000,
  }),
  kafkaReplication: Type.Integer({
    description: 'Copies of each partition; 0 for three, or for as many as there are brokers.',
    default: 0,
    minimum: 0,
    maximum: 10,
  }),
  kafkaTls: Type.Boolean({ description: 'Whether to speak TLS with the Kafka brokers.', default: false }),
  kafkaCaFile: Type.Optional(
    Type.String({ description: 'File with the certificate authority of the Kafka brokers, in PEM.' }),
  ),
  kafkaSasl: Type.Optional(
    Type.Enum(['plain', 'scram-sha-256', 'scram-sha-512'], {
      description: 'How to log in to the Kafka brokers; without it, not at all.',
    }),
  ),
  kafkaUsername: Type.Optional(Type.String({ description: 'User name at the Kafka brokers.' })),
  dataDir: Type.String({ description: 'Folder for the embedded PostgreSQL and media.', default: './data' }),
  s3Endpoint: Type.Optional(
    Type.String({
      description: 'S3-compatible store for media, as https://s3.example.com; without it, the data folder.',
      pattern: '^https?://',
    }),
  ),
  s3Bucket: Type.Optional(Type.String({ description: 'Bucket of the S3-compatible store.' })),
  s3Region: Type.String({ description: 'Region of the S3-compatible store.', default: 'us-east-1' }),
  mediaRetentionDays: days('How long uploaded files are kept.', 7),
  adminEmail: Type.Optional(
    Type.String({
      description: 'E-mail address of the first account; without it, one is made and printed once.',
      format: 'email',
    }),
  ),
  sandbox: Type.Optional(
    Type.Boolean({
      description:
        'Whether instances with a simulated phone can be created; without it, only on the embedded PostgreSQL.',
    }),
  ),
  whatsappUrl: Type.String({
    description: 'WebSocket of WhatsApp. Another one is for a simulator: whoever answers there is trusted.',
    default: 'wss://web.whatsapp.com/ws/chat',
    pattern: '^wss?://',
  }),
  whatsappVersion: Type.Optional(
    Type.String({
      description:
        'Version of WhatsApp Web to appear as, as 2.3000.1234567890; without it, WhatsApp is asked.',
      pattern: '^\\d+\\.\\d+\\.\\d+$',
    }),
  ),
  sendTimeoutSeconds: positive('How long a send waits for its outcome before it answers 202.', 15),
  userTokenDays: days('How long a token from /auth/login is valid.', 30),
  rateLimitRequests: Type.Integer({
    description: 'Requests per token and window; 0 for no limit.',
    default: 100,
    minimum: 0,
  }),
  rateLimitWindowSeconds: Type.Integer({
    description: 'Length of the rate limit window.',
    default: 900,
    minimum: 1,
    maximum: DAY_SECONDS,
  }),
  dailyMessageLimit: Type.Integer({
    description: 'Messages that an instance without a limit of its own may send in a day; 0 for no limit.',
    default: 0,
    minimum: 0,
  }),
  bodyLimitBytes: Type.Integer({
    description: 'Largest request body.',
    default: 1_048_576,
    minimum: 1024,
    maximum: 104_857_600,
  }),
  asOfMaxEvents: positive(
    'Events of the log that an answer as of a time (as_of) may be made from; what needs more is refused.',
    30_000,
  ),
  asOfConcurrency: Type.Integer({
    description: 'Answers as of a time that are made at once, at each node; others wait.',
    default: 2,
    minimum: 1,
    maximum: 8,
  }),
  webhookRetrySeconds: Type.Array(Type.Number({ minimum: 0, maximum: 30 * DAY_SECONDS }), {
    description:
      'Delays before each further attempt of a webhook delivery, with commas. After the last it is dead.',
    default: [5, 30, 120, 600, 3600, 21_600, 86_400],
    maxItems: 50,
  }),
  webhookTimeoutSeconds: Type.Number({
    description: 'How long a webhook endpoint may take to answer.',
    default: 5,
    minimum: 0.1,
    maximum: 300,
  }),
  webhookConcurrency: positive('Webhook deliveries under way at once, at each node.', 64),
  webhookEndpointConcurrency: positive(
    'Webhook deliveries under way at once to one endpoint, at each node.',
    16,
  ),
  deliveryRetentionDays: days('How long finished webhook deliveries are kept.', 30),
  outboundAllow: Type.Array(Type.String({ format: 'cidr' }), {
    description:
      'Private address ranges (CIDR, with commas) that webhooks and media may be fetched from or sent to.',
    default: [],
  }),
  publicPages: Type.Array(Type.Enum(['docs', 'metrics']), {
    description:
      'Pages open without a token: docs (/docs, /openapi.json, /asyncapi.json), metrics. Others need OPERATOR_TOKEN.',
    default: ['docs', 'metrics'],
  }),
  logLevel: Type.Enum([...logLevels], { description: 'Least severe level to log.', default: 'info' }),
})
export type Settings = Readonly<Static<typeof Settings>>

/** Kept apart, so that the settings can be logged and shown. */
export const Secrets = Type.Object({
  databaseUrl: Type.Optional(
    Type.String({
      description: 'PostgreSQL to use, as postgres://…; without it, an embedded one.',
      pattern: '^postgres(ql)?://',
    }),
  ),
  eventstoreUrl: Type.Optional(
    Type.String({
      description:
        'EventStoreDB to keep the log in, as esdb://user:password@host:2113?tls=true; without it, the log is in PostgreSQL.',
      pattern: '^esdb(\\+discover)?://',
    }),
  ),
  encryptionKey: Type.Optional(
    Type.String({
      description:
        'Encrypts what could speak for paired phones, and the keys of names, numbers and texts in the log: 32 bytes in base64, as from openssl rand -base64 32. Without it, one is made in the data folder if the PostgreSQL is embedded; with DATABASE_URL there is no WhatsApp without it.',
      pattern: '^[A-Za-z0-9+/]{43}=$',
    }),
  ),
  kafkaPassword: Type.Optional(Type.String({ description: 'Password at the Kafka brokers.' })),
  adminPassword: Type.Optional(
    Type.String({
      description: 'Password of the first account, at least 8 characters.',
      minLength: 8,
      maxLength: 1000,
    }),
  ),
  s3AccessKeyId: Type.Optional(Type.String({ description: 'Access key of the S3-compatible store.' })),
  s3SecretAccessKey: Type.Optional(Type.String({ description: 'Secret key of the S3-compatible store.' })),
  operatorToken: Type.Optional(
    Type.String({
      description: 'Bearer token for calls on tenants, at least 16 characters; without it they do not exist.',
      minLength: 16,
    }),
  ),
})
export type Secrets = Readonly<Static<typeof Secrets>>
