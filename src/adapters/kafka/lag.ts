import type { Kafka } from 'kafkajs'

/** How many records of the topics a group has still to handle. */
export const lagOf = async (kafka: Kafka, groupId: string, topics: readonly string[]): Promise<number> => {
  const admin = kafka.admin()
  try {
    await admin.connect()
    const committed = await admin.fetchOffsets({ groupId, topics: [...topics] })
    let lag = 0n
    for (const { topic, partitions } of committed)
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
        const done = BigInt(partitions.find((one) => one.partition === partition)?.offset ?? -1)
        const next = done < BigInt(low) ? BigInt(low) : done
        lag += BigInt(high) - next
      }
    return Number(lag)
  } finally {
    await admin.disconnect()
  }
}
