import { randomUUID } from 'node:crypto'
import { ErrorCode } from './wire.ts'

type Protocol = { readonly name: string; readonly metadata: Buffer }
export type Join = {
  readonly memberId: string
  readonly clientId: string
  readonly sessionMs: number
  readonly rebalanceMs: number
  readonly protocols: readonly Protocol[]
}
export type Joined = {
  readonly error: number
  readonly generation: number
  readonly protocol: string
  readonly leader: string
  readonly memberId: string
  /** For the leader only, who shares the partitions out. */
  readonly members: readonly { readonly id: string; readonly metadata: Buffer }[]
}
export type Synced = { readonly error: number; readonly assignment: Buffer }

type Member = Join & {
  readonly id: string
  session: NodeJS.Timeout | undefined
  joining: ((answer: Joined) => void) | undefined
  syncing: ((answer: Synced) => void) | undefined
  assignment: Buffer
}

const NOTHING = Buffer.alloc(0)
/** How long the first member waits for others. */
const FIRST_MS = 20

/** The coordinator of one consumer group, with the eager protocol. It forgets its members when the process ends. */
export const createGroup = () => {
  const members = new Map<string, Member>()
  let state: 'empty' | 'joining' | 'syncing' | 'stable' = 'empty'
  let generation = 0
  let leader = ''
  let joinTimer: NodeJS.Timeout | undefined

  const touch = (member: Member) => {
    clearTimeout(member.session)
    // One that waits for its answer cannot send heartbeats.
    member.session = setTimeout(() => member.joining ?? remove(member.id), member.sessionMs)
  }

  const remove = (id: string): number => {
    const member = members.get(id)
    if (!member) return ErrorCode.UNKNOWN_MEMBER_ID
    clearTimeout(member.session)
    members.delete(id)
    if (members.size === 0) state = 'empty'
    else rebalance()
    return ErrorCode.NONE
  }

  const rebalance = () => {
    for (const member of members.values()) {
      member.syncing?.({ error: ErrorCode.REBALANCE_IN_PROGRESS, assignment: NOTHING })
      member.syncing = undefined
    }
    const isFirst = state === 'empty'
    if (state !== 'joining') {
      state = 'joining'
      clearTimeout(joinTimer)
      const longest = Math.max(...[...members.values()].map(({ rebalanceMs }) => rebalanceMs))
      joinTimer = setTimeout(answerJoins, isFirst ? FIRST_MS : longest)
    }
    if (!isFirst && [...members.values()].every(({ joining }) => joining)) answerJoins()
  }

  const answerJoins = () => {
    clearTimeout(joinTimer)
    for (const member of [...members.values()]) if (!member.joining) members.delete(member.id)
    const all = [...members.values()]
    const [first] = all
    if (!first) {
      state = 'empty'
      return
    }
    generation++
    state = 'syncing'
    if (!members.has(leader)) leader = first.id
    const protocol = first.protocols[0]?.name ?? ''
    const metadataOf = ({ protocols }: Member) =>
      protocols.find(({ name }) => name === protocol)?.metadata ?? NOTHING
    const list = all.map((member) => ({ id: member.id, metadata: metadataOf(member) }))
    for (const member of all) {
      const { id, joining } = member
      member.joining = undefined
      touch(member)
      const answer = { error: ErrorCode.NONE, generation, protocol, leader, memberId: id }
      joining?.({ ...answer, members: id === leader ? list : [] })
    }
  }

  const join = (request: Join) =>
    new Promise<Joined>((joining) => {
      const id = request.memberId || `${request.clientId}-${randomUUID()}`
      if (request.memberId && !members.has(id))
        return joining({
          error: ErrorCode.UNKNOWN_MEMBER_ID,
          generation,
          protocol: '',
          leader: '',
          memberId: id,
          members: [],
        })
      clearTimeout(members.get(id)?.session)
      const member: Member = {
        ...request,
        id,
        joining,
        session: undefined,
        syncing: undefined,
        assignment: NOTHING,
      }
      members.set(id, member)
      touch(member)
      rebalance()
    })

  const sync = (id: string, inGeneration: number, shares: readonly { id: string; assignment: Buffer }[]) =>
    new Promise<Synced>((syncing) => {
      const error = errorOf(id, inGeneration)
      const member = members.get(id)
      if (error !== ErrorCode.NONE || !member) return syncing({ error, assignment: NOTHING })
      member.syncing = syncing
      for (const share of shares) {
        const other = members.get(share.id)
        if (other) other.assignment = Buffer.from(share.assignment)
      }
      if (id === leader) state = 'stable'
      if (state !== 'stable') return
      for (const one of members.values()) {
        one.syncing?.({ error: ErrorCode.NONE, assignment: one.assignment })
        one.syncing = undefined
      }
    })

  /** What is wrong with a request of a member, if anything is; that it was heard of keeps the member alive. */
  const errorOf = (id: string, inGeneration: number): number => {
    const member = members.get(id)
    if (!member) return ErrorCode.UNKNOWN_MEMBER_ID
    if (inGeneration !== generation) return ErrorCode.ILLEGAL_GENERATION
    touch(member)
    return state === 'joining' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
  }

  return { join, sync, leave: remove, heartbeat: errorOf }
}
export type Group = ReturnType<typeof createGroup>
