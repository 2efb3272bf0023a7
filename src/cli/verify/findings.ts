import type { Recorded } from '../../ports/event-store.ts'

/** What is wrong with an event, with a place in the log, or with the chain. */
export type LogDifference = {
  readonly kind:
    | 'changed'
    | 'missing'
    | 'added'
    | 'moved'
    | 'revision'
    | 'order'
    | 'type'
    | 'schema'
    | 'sealed'
    | 'chain'
    | 'log'
  readonly position?: string
  readonly stream?: string
  readonly revision?: number
  readonly type?: string
  /** In words. */
  readonly what: string
}

export type Findings<D> = { readonly list: readonly D[]; readonly count: number }

/** Keeps the first differences, and counts the others. */
export const collect = <D>(max: number) => {
  const list: D[] = []
  let count = 0
  return {
    add: (difference: D) => {
      count++
      if (list.length < max) list.push(difference)
    },
    findings: (): Findings<D> => ({ list, count }),
  }
}

export type EventPlace = Pick<Recorded, 'position' | 'stream' | 'revision' | 'type'>
export type TellLog = (difference: LogDifference) => void

/** The place of an event, as differences have it. */
export const at = ({ position, stream, revision, type }: EventPlace) => ({
  position: String(position),
  stream,
  revision,
  type,
})
