import { LRUCache } from 'lru-cache'
import { START, type Position } from '../ports/event-store.ts'

const MERGED_KEPT = 10_000

/**
 * The sends of one conversation, one after the other; of different ones beside each other. Each gives the position of
 * what it recorded, or START if its message waits on.
 */
export const createSendLanes = () => {
  /** The last send of each conversation; the next one follows it. */
  const lanes = new Map<string, Promise<Position>>()
  /** Conversations that became part of others a while ago: what was queued in them goes out in the lane of those. */
  const merged = new LRUCache<string, string>({ max: MERGED_KEPT })
  const laneOf = (conversationId: string): string => {
    const into = merged.get(conversationId)
    return into === undefined ? conversationId : laneOf(into)
  }

  const put = (lane: string, last: Promise<Position>) => {
    lanes.set(lane, last)
    void last.then(() => lanes.get(lane) === last && lanes.delete(lane))
  }

  return {
    /** `onFault` gives what a send that went wrong counts as. */
    add: (
      conversationId: string,
      send: () => Promise<Position>,
      onFault: (error: unknown) => Position,
    ): Promise<Position> => {
      const lane = laneOf(conversationId)
      // What waits on keeps those behind it waiting, or they would overtake it.
      const inTurn = lanes.get(lane)?.then((position) => (position === START ? START : send()))
      const last = (inTurn ?? send()).catch(onFault)
      put(lane, last)
      return last
    },

    /** What is queued in the one conversation from now on follows what was queued in both. */
    unite: (conversationId: string, into: string) => {
      const [lane, other] = [laneOf(into), lanes.get(conversationId)]
      if (lane === conversationId) return
      merged.set(conversationId, into)
      if (!other) return
      const own = lanes.get(lane) ?? other
      const both = Promise.all([own, other]).then(([one, two]) =>
        one === START || two === START ? START : one > two ? one : two,
      )
      put(lane, both)
    },
  }
}
