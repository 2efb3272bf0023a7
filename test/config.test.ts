import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { ConfigurationError, envExample, loadConfig } from '../src/config.ts'

const problemsOf = (env: Record<string, string>): string => {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message
    throw error
  }
  throw new Error('The configuration was accepted.')
}

describe('the configuration', () => {
  it('has a working default for everything', () => {
    const { settings, secrets } = loadConfig({})
    expect(settings).toEqual({
      host: '127.0.0.1',
      port: 3000,
      trustProxy: false,
      roles: ['api', 'projector', 'relay', 'webhooks', 'gateway'],
      eventstorePrefix: '',
      kafkaBrokers: [],
      kafkaPrefix: 'zapini',
      kafkaPartitions: 12,
      kafkaReplication: 0,
      kafkaTls: false,
      dataDir: './data',
      s3Region: 'us-east-1',
      mediaRetentionDays: 7,
      whatsappUrl: 'wss://web.whatsapp.com/ws/chat',
      sendTimeoutSeconds: 15,
      userTokenDays: 30,
      rateLimitRequests: 100,
      rateLimitWindowSeconds: 900,
      dailyMessageLimit: 0,
      bodyLimitBytes: 1_048_576,
      asOfMaxEvents: 30_000,
      asOfConcurrency: 2,
      webhookRetrySeconds: [5, 30, 120, 600, 3600, 21_600, 86_400],
      webhookTimeoutSeconds: 5,
      webhookConcurrency: 64,
      webhookEndpointConcurrency: 16,
      deliveryRetentionDays: 30,
      outboundAllow: [],
      publicPages: ['docs', 'metrics'],
      logLevel: 'info',
    })
    expect(secrets).toEqual({})
  })
  it('reads numbers, booleans and lists; an empty variable counts as absent', () => {
    const { settings } = loadConfig({
      PORT: '0',
      SANDBOX: 'false',
      TRUST_PROXY: '1',
      WEBHOOK_RETRY_SECONDS: '0.05, 1,2.5',
      OUTBOUND_ALLOW: '10.0.0.0/8,fd00::/8',
      LOG_LEVEL: '',
    })
    expect(settings).toMatchObject({
      port: 0,
      sandbox: false,
      trustProxy: true,
      webhookRetrySeconds: [0.05, 1, 2.5],
      outboundAllow: ['10.0.0.0/8', 'fd00::/8'],
      logLevel: 'info',
    })
  })
  it('names every bad variable and what is expected', () => {
    const text = problemsOf({
      PORT: '70000',
      SANDBOX: 'perhaps',
      WEBHOOK_RETRY_SECONDS: '5,soon',
      OUTBOUND_ALLOW: '10.0.0.0/99',
      PUBLIC_PAGES: 'docs,admin',
      DATABASE_URL: 'mysql://x',
      ENCRYPTION_KEY: 'short',
    })
    expect(text).toContain('PORT must be at most 65535.')
    expect(text).toContain('SANDBOX must be true or false.')
    expect(text).toContain('WEBHOOK_RETRY_SECONDS must be a number.')
    expect(text).toContain('OUTBOUND_ALLOW must be an address range such as 10.0.0.0/8.')
    expect(text).toContain('PUBLIC_PAGES must be one of: docs, metrics.')
    expect(text).toContain('DATABASE_URL must have the form')
    expect(text).toContain('ENCRYPTION_KEY must have the form')
    expect(text).not.toContain('short')
  })
  it('takes no prefix of streams that may be the beginning of another one', () => {
    expect(loadConfig({ EVENTSTORE_PREFIX: 'a.b-' }).settings.eventstorePrefix).toBe('a.b-')
    for (const EVENTSTORE_PREFIX of ['a', 'a-b-', '-'])
      expect(problemsOf({ EVENTSTORE_PREFIX })).toContain('EVENTSTORE_PREFIX must have the form')
  })
  it('names what a bucket needs beside its address', () => {
    expect(problemsOf({ S3_ENDPOINT: 'https://s3.example.com', S3_BUCKET: 'media' })).toContain(
      'S3_ACCESS_KEY_ID is required with S3_ENDPOINT.\n- S3_SECRET_ACCESS_KEY is required with S3_ENDPOINT.',
    )
  })
  it('names what a login at Kafka needs beside its kind', () => {
    expect(problemsOf({ KAFKA_SASL: 'scram-sha-256', KAFKA_USERNAME: 'zapini' })).toContain(
      'KAFKA_PASSWORD is required with KAFKA_SASL.',
    )
  })
  it('wants TLS switched on where there is a certificate authority for it', () => {
    expect(problemsOf({ KAFKA_CA_FILE: 'ca.pem' })).toContain('KAFKA_TLS must be true with KAFKA_CA_FILE.')
  })
  it('never repeats a secret in an error', () => {
    const text = problemsOf({
      ADMIN_EMAIL: 'a@example.com',
      ADMIN_PASSWORD: 'hunter2',
      OPERATOR_TOKEN: 'tooshort',
    })
    expect(text).toContain('ADMIN_PASSWORD must be at least 8 characters.')
    expect(text).toContain('OPERATOR_TOKEN must be at least 16 characters.')
    expect(text).not.toMatch(/hunter2|tooshort/)
  })
  it('keeps secrets out of the settings, and both frozen', () => {
    const { settings, secrets } = loadConfig({
      DATABASE_URL: 'postgres://user:hidden@db/zapini',
      OPERATOR_TOKEN: 'hidden-operator-token',
      ADMIN_EMAIL: 'a@example.com',
      ADMIN_PASSWORD: 'hidden-password',
    })
    expect(JSON.stringify(settings)).not.toContain('hidden')
    expect([settings, settings.webhookRetrySeconds, secrets].every(Object.isFrozen)).toBe(true)
  })
})

describe('.env.example', () => {
  it('is the one that the schema makes', async () => {
    expect(await readFile(new URL('../.env.example', import.meta.url), 'utf8')).toBe(envExample())
  })
  it('shows the defaults: uncommented, it is the default configuration', () => {
    const env = Object.fromEntries(
      [...envExample().matchAll(/^# ([A-Z0-9_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
    )
    expect(Object.keys(env)).toHaveLength(48)
    expect(loadConfig(env)).toEqual(loadConfig({}))
  })
})
