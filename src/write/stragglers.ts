import { setTimeout as sleep } from 'node:timers/promises'
import type { ZapiniEvent } from '../domain/catalogue.ts'
import { ownerOf } from '../domain/personal.ts'
import type { EventStore, Position, Recorded } from '../ports/event-store.ts'
import type { Erased } from '../ports/scrub.ts'
import { readLog } from '../read-log.ts'
import { sealOf } from '../seal.ts'

/** For so long a conversation may take to begin anew for a message that is there. */
const LOOKS = 20
const LOOK_MS = 100

/** A deletion that is being carried out: the last one of its stream. */
export type Deleted = {
  readonly event: Recorded
  readonly erased: Erased
  /** Ids of the keys of what was deleted. */
  readonly keys: readonly string[]
  /** It is a conversation that was there again when this was looked at. */
  readonly isBegun: boolean
}

/** Id of the key that a stored event is sealed with, if it is. */
export const keysOf = (event: Recorded): readonly string[] => {
  const seal = sealOf(event)
  return seal ? [seal.key] : []
}

export const isStartAfter = (position: Position) => (event: Recorded) =>
  event.type === 'ConversationStarted' && event.position > position

/** What people say in a conversation, and what is made of it. */
const SAID: readonly string[] = [
  'MessageQueued',
  'MessageReceived',
  'MessageSentFromPhone',
  'MessageEdited',
  'MessageReacted',
  'AutomationRunAdvanced',
] satisfies ZapiniEvent['type'][]
const isSaid = ({ type }: Recorded) => SAID.includes(type)

/** Whoever writes a message makes sure right after it that there is a conversation. */
const beginsAnew = async (stored: EventStore, { event }: Deleted): Promise<boolean> => {
  const { stream, position } = event
  for (let look = 1; look <= LOOKS; look++) {
    if ((await stored.readStream(stream)).some(isStartAfter(position))) return true
    await sleep(LOOK_MS)
  }
  return false
}

/**
 * What was on its way when its keys were retired, by the deletion that it came after; and what was said since in a
 * conversation that is not there, because whoever wrote it did not know yet.
 */
export const findStragglers = async <D extends Deleted>(stored: EventStore, deletions: readonly D[]) => {
  const byKey = new Map(deletions.flatMap((deletion) => deletion.keys.map((key) => [key, deletion] as const)))
  const byOwner = new Map(
    deletions
      .filter(({ isBegun }) => !isBegun)
      .flatMap((deletion) => deletion.erased.owners.map((owner) => [owner, deletion] as const)),
  )
  const from = deletions.map(({ erased }) => erased.position).reduce((a, b) => (a < b ? a : b))
  const found = new Map<D, Recorded[]>()
  const homeless = new Map<D, Recorded[]>()
  const add = (to: typeof found, deletion: D | undefined, event: Recorded) => {
    if (!deletion || event.position <= deletion.erased.position) return
    const known = to.get(deletion)
    if (known) known.push(event)
    else to.set(deletion, [event])
  }
  for await (const batch of readLog(stored, from, await stored.head()))
    for (const event of batch) {
      for (const key of keysOf(event)) add(found, byKey.get(key), event)
      if (isSaid(event)) add(homeless, byOwner.get(ownerOf(event, event.stream)), event)
    }
  const look = async ([deletion, events]: readonly [D, Recorded[]]) => {
    if (!found.has(deletion) && !(await beginsAnew(stored, deletion))) found.set(deletion, events)
  }
  await Promise.all([...homeless].map(look))
  return found
}
