import type { Told } from './told.ts'

/** Things of one chat one after the other; what is about a message that waits, behind it. */
export const createLanes = () => {
  /** The last thing of each lane; the next one follows it. */
  const tails = new Map<string, Promise<unknown>>()
  /** Where something about a message waits, and how many such things there are. */
  const abouts = new Map<string, { readonly lane: string; count: number }>()
  let size = 0

  const enter = (told: Told): { readonly lanes: readonly string[]; readonly leave: () => void } => {
    const { usual, about } = placeOf(told)
    const [first = ''] = usual
    if (about === undefined) return { lanes: usual, leave: () => undefined }
    const known = abouts.get(about)
    const lane = known && told.kind !== 'message' ? known.lane : first
    const place = { lane, count: (known?.count ?? 0) + 1 }
    abouts.set(about, place)
    const leave = () => {
      const present = abouts.get(about)
      if (present && --present.count === 0) abouts.delete(about)
    }
    return { lanes: [...new Set([...usual, ...(known ? [known.lane] : [])])], leave }
  }

  /** Does a task once all that is before it in its lanes is over, however that ended. */
  const run = (told: Told, task: () => Promise<void>): Promise<void> => {
    const { lanes, leave } = enter(told)
    size += 1
    const own = Promise.all(lanes.map((lane) => tails.get(lane) ?? Promise.resolve())).then(task)
    const over = own
      .catch(() => undefined)
      .then(() => {
        size -= 1
        leave()
        for (const lane of lanes) if (tails.get(lane) === over) tails.delete(lane)
      })
    for (const lane of lanes) tails.set(lane, over)
    return own
  }

  /** Resolves once nothing waits. */
  const idle = async (): Promise<void> => {
    while (tails.size > 0) await Promise.all(tails.values())
  }
  return { run, idle, size: () => size }
}

/** The lanes that something is in, and the id of the message that it is about. */
const placeOf = (told: Told): { readonly usual: readonly string[]; readonly about?: string } => {
  switch (told.kind) {
    case 'message':
      return { usual: [told.incoming.chat], about: told.incoming.whatsappId }
    case 'reaction':
      return { usual: [told.reaction.chat], about: told.reaction.targetWhatsappId }
    case 'change':
      return ofMessage(told.change.targetWhatsappId)
    case 'receipt':
      return ofMessage(told.receipt.whatsappId)
    case 'contact':
      return { usual: [told.news.jid] }
    case 'addressLink':
      return { usual: [told.link.from, told.link.to] }
  }
}
const ofMessage = (whatsappId: string) => ({ usual: [`message ${whatsappId}`], about: whatsappId })
