import { afterAll, beforeAll } from 'vitest'
import { busContract } from '../contracts/bus.ts'
import { newPrefix, openKafkaBus, startKafka, type KafkaUnderTest } from '../support/kafka.ts'

let kafka: KafkaUnderTest
beforeAll(async () => {
  kafka = await startKafka()
})
afterAll(() => kafka.stop())

busContract(
  'on Kafka',
  async () => {
    const prefix = newPrefix()
    const buses: ReturnType<typeof openKafkaBus>[] = []
    return {
      node: () => {
        const bus = openKafkaBus({ brokers: kafka.plain.split(','), prefix })
        buses.push(bus)
        return bus
      },
      stop: () => Promise.all(buses.map(({ close }) => close())),
    }
  },
  { keeps: true },
)
