import { Type } from 'typebox'
import { describe, expect, it } from 'vitest'
import { roles } from '../../src/roles.ts'
import { configOf, DRAIN_SECONDS, envIn, namesIn, PINNED, textOf, yamlIn } from './files.ts'

const Service = Type.Object({
  image: Type.String(),
  environment: Type.Record(Type.String(), Type.String()),
  env_file: Type.Optional(Type.String()),
  ports: Type.Optional(Type.Array(Type.String())),
  volumes: Type.Array(Type.String()),
  networks: Type.Array(Type.String()),
  depends_on: Type.Optional(Type.Record(Type.String(), Type.Object({ condition: Type.String() }))),
  healthcheck: Type.Optional(Type.Object({ test: Type.Array(Type.String()) })),
  restart: Type.String(),
  stop_grace_period: Type.String(),
  deploy: Type.Object({
    resources: Type.Object({ limits: Type.Object({ cpus: Type.String(), memory: Type.String() }) }),
  }),
})
const Compose = Type.Object({
  services: Type.Record(Type.String(), Service),
  networks: Type.Record(Type.String(), Type.Object({ internal: Type.Optional(Type.Boolean()) })),
  volumes: Type.Record(Type.String(), Type.Object({})),
})

const compose = await yamlIn('infra/compose.yaml', Compose)
const services = Object.entries(compose.services)
const nodes = services.filter(([, { env_file }]) => env_file !== undefined)
const engines = services.filter(([, { env_file }]) => env_file === undefined)
const filledIn = {
  POSTGRES_PASSWORD: 'a',
  ZAPINI_DATABASE_PASSWORD: 'b',
  ZAPINI_ADDRESS: '127.0.0.1',
  ZAPINI_PORT: '3000',
}

/** As docker compose fills in `${NAME:-default}` and `${NAME:?advice}`. */
const filled = (text: string) =>
  text.replace(/\$\{(\w+)[^}]*\}/g, (_, name: string) => new Map(Object.entries(filledIn)).get(name) ?? '')

/** Variables that the images of the engines know, by what they document. */
const known: Readonly<Record<string, readonly string[]>> = {
  eventstore: [
    'EVENTSTORE_CLUSTER_SIZE',
    'EVENTSTORE_INSECURE',
    'EVENTSTORE_RUN_PROJECTIONS',
    'EVENTSTORE_TELEMETRY_OPTOUT',
  ],
  // Of Apache Kafka: properties of the broker as they are called, in capitals, dots as underscores; and these two.
  kafka: [
    'CLUSTER_ID',
    'KAFKA_HEAP_OPTS',
    ...[
      'advertised.listeners',
      'auto.create.topics.enable',
      'controller.listener.names',
      'controller.quorum.voters',
      'group.initial.rebalance.delay.ms',
      'inter.broker.listener.name',
      'listener.security.protocol.map',
      'listeners',
      'log.dirs',
      'node.id',
      'offsets.topic.replication.factor',
      'process.roles',
      'share.coordinator.state.topic.min.isr',
      'share.coordinator.state.topic.replication.factor',
      'transaction.state.log.min.isr',
      'transaction.state.log.replication.factor',
    ].map((property) => `KAFKA_${property.replaceAll('.', '_').toUpperCase()}`),
  ],
  // The last one is for the script beside the compose file.
  postgres: ['POSTGRES_INITDB_ARGS', 'POSTGRES_PASSWORD', 'POSTGRES_USER', 'ZAPINI_DATABASE_PASSWORD'],
}

describe('the compose file', () => {
  it('names every image with its version', () => {
    for (const [, { image }] of services) expect(image).toMatch(PINNED)
  })

  it('gives the program settings that it knows, and takes', async () => {
    const file = await envIn('infra/zapini.env.example')
    const commented = await envIn('infra/zapini.env.example', true)
    expect(Object.keys(commented).length).toBeGreaterThan(Object.keys(file).length)
    expect(() => configOf({ ...commented, ADMIN_PASSWORD: '', OPERATOR_TOKEN: '' })).not.toThrow()
    for (const [name, { environment, env_file }] of nodes) {
      expect(env_file, name).toBe('zapini.env')
      const env = Object.entries(environment).map(([key, value]) => [key, filled(value)])
      const { secrets, settings } = configOf({ ...file, ...Object.fromEntries(env) })
      expect(secrets.databaseUrl).toBe('postgres://zapini:b@postgres:5432/zapini')
      expect(secrets.eventstoreUrl).toBe('esdb://eventstore:2113?tls=false')
      expect(settings.kafkaBrokers).toEqual(['kafka:19092'])
      expect(settings.kafkaReplication).toBe(1)
    }
  })

  it('has somebody for every role, and only the API open to the outside', () => {
    const taken = nodes.flatMap(
      ([, { environment }]) => configOf({ ROLES: environment['ROLES'] ?? '' }).settings.roles,
    )
    expect(taken.toSorted()).toEqual([...roles].toSorted())
    expect(services.filter(([, { ports }]) => ports).map(([name]) => name)).toEqual(['api'])
    expect(filled(compose.services['api']?.ports?.[0] ?? '')).toBe('127.0.0.1:3000:3000')
    expect(compose.networks['inside']?.internal).toBe(true)
    for (const [name, { networks }] of engines) expect(networks, name).toEqual(['inside'])
  })

  it('gives the engines variables that their images know', () => {
    expect(engines.map(([name]) => name).toSorted()).toEqual(Object.keys(known).toSorted())
    for (const [name, { environment }] of engines)
      expect(
        Object.keys(environment).filter((variable) => !known[name]?.includes(variable)),
        name,
      ).toEqual([])
  })

  it('asks for each value that has to be filled in, and for no other', async () => {
    const text = await textOf('infra/compose.yaml')
    const used = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name))
    expect(new Set(Object.keys(await envIn('infra/.env.example')))).toEqual(used)
    expect(new Set(Object.keys(filledIn))).toEqual(used)
    const script = await textOf('infra/postgres/10-zapini.sh')
    const inScript = new Set([...script.matchAll(/\$([A-Z_]+)/g)].map(([, name]) => name))
    for (const name of inScript) expect(known['postgres']).toContain(name)
  })

  it('starts the program once the engines are well', () => {
    for (const [name, { healthcheck }] of engines) expect(healthcheck?.test.length, name).toBeGreaterThan(1)
    for (const [name, { depends_on = {} }] of nodes) {
      expect(Object.keys(depends_on).toSorted(), name).toEqual(engines.map(([engine]) => engine).toSorted())
      expect(
        Object.values(depends_on).every(({ condition }) => condition === 'service_healthy'),
        name,
      ).toBe(true)
    }
  })

  it('keeps what the engines and the program store', async () => {
    const kept = services.flatMap(([, { volumes }]) => volumes.map((volume) => volume.split(':')[0] ?? ''))
    const named = kept.filter((source) => !source.startsWith('.'))
    expect(new Set(named)).toEqual(new Set(Object.keys(compose.volumes)))
    expect(await namesIn('infra')).toContain('postgres')
    for (const [name, { volumes }] of nodes) expect(volumes, name).toEqual(['media:/data'])
  })

  it('leaves a node the time that a stop may take, and everything bounded and started again', () => {
    const { settings } = configOf({})
    for (const [name, { stop_grace_period, restart }] of services) {
      expect(restart, name).toBe('unless-stopped')
      const seconds = stop_grace_period.endsWith('m')
        ? 60 * parseInt(stop_grace_period)
        : parseInt(stop_grace_period)
      expect(seconds, name).toBeGreaterThan(DRAIN_SECONDS + settings.webhookTimeoutSeconds)
    }
  })
})
