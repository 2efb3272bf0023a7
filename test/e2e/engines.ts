import { createTestDatabase } from '../support/database.ts'
import { startEventStoreDb } from '../support/eventstoredb.ts'
import { newPrefix, startKafka } from '../support/kafka.ts'

export type Engine = 'eventstore' | 'kafka'

/** What several programs stand on: a PostgreSQL database, and the engines asked for beside it. */
export const startEngines = async (engines: readonly Engine[]) => {
  const database = await createTestDatabase()
  const eventStore = engines.includes('eventstore') ? await startEventStoreDb() : undefined
  const kafka = engines.includes('kafka') ? await startKafka() : undefined
  const prefix = newPrefix()
  return {
    environment: {
      DATABASE_URL: database.url,
      ...(eventStore && {
        EVENTSTORE_URL: eventStore.url,
        EVENTSTORE_PREFIX: `${prefix.replaceAll('-', '')}-`,
      }),
      ...(kafka && { KAFKA_BROKERS: kafka.plain, KAFKA_PREFIX: prefix }),
    },
    kafka,
    eventStore,
    prefix,
    remove: async () => {
      await Promise.all([eventStore?.stop(), kafka?.stop()])
      await database.drop()
    },
  }
}
export type Engines = Awaited<ReturnType<typeof startEngines>>
