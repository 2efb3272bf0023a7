import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openPartition, type Partition } from './partition.ts'

/** As Kafka has it where a topic says nothing. */
const MAX_BYTES = 1_048_588

type Fact =
  | { readonly topic: string; readonly partitions: number; readonly maxBytes: number }
  | { readonly group: string; readonly place: string; readonly offset: string }
  | { readonly producer: string }

export const placeOf = (topic: string, partition: number) => `${topic}/${partition}`

/** What has to outlive a SIGKILL: topics, committed offsets and producer ids, in a journal; partitions in files beside it. */
export const openStorage = (directory: string) => {
  mkdirSync(directory, { recursive: true })
  const journal = join(directory, 'journal.jsonl')
  const topics = new Map<string, readonly Partition[]>()
  const offsets = new Map<string, Map<string, bigint>>()
  let producers = 0n

  const apply = (fact: Fact) => {
    if ('topic' in fact) {
      const { topic, partitions, maxBytes } = fact
      const open = (_: unknown, n: number) => openPartition(join(directory, `${topic}-${n}.log`), maxBytes)
      topics.set(topic, Array.from({ length: partitions }, open))
    } else if ('group' in fact) {
      const places = offsets.get(fact.group) ?? new Map<string, bigint>()
      offsets.set(fact.group, places.set(fact.place, BigInt(fact.offset)))
    } else producers = BigInt(fact.producer)
  }
  const record = (fact: Fact) => {
    apply(fact)
    appendFileSync(journal, `${JSON.stringify(fact)}\n`)
  }

  const lines = existsSync(journal) ? readFileSync(journal, 'utf8').split('\n') : []
  for (const line of lines.filter((text) => text !== '')) apply(JSON.parse(line) as Fact)

  return {
    topicNames: () => [...topics.keys()],
    partitionsOf: (topic: string) => topics.get(topic),
    partition: (topic: string, partition: number) => topics.get(topic)?.[partition],
    makeTopic: (topic: string, partitions: number, maxBytes = MAX_BYTES) =>
      record({ topic, partitions, maxBytes }),
    newProducer: () => {
      record({ producer: String(producers + 1n) })
      return producers
    },
    commit: (group: string, place: string, offset: bigint) =>
      record({ group, place, offset: String(offset) }),
    committed: (group: string, place: string) => offsets.get(group)?.get(place) ?? -1n,
    /** The places that a group has committed. */
    placesOf: (group: string) => [...(offsets.get(group)?.keys() ?? [])],
  }
}
export type Storage = ReturnType<typeof openStorage>
