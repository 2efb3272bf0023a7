import { expect, test } from 'vitest'
import { groupId } from '../../src/domain/ids.ts'
import { StoreUnavailable } from '../../src/ports/event-store.ts'
import type { Gateway } from '../../src/ports/gateway.ts'
import type { GroupGateway } from '../../src/ports/groups.ts'
import { createGroups } from '../../src/write/groups.ts'
import type { Transact } from '../../src/write/transact.ts'
import { context, INSTANCE, JOHN, TEAM } from '../support/facts.ts'

const command = { instanceId: INSTANCE, chat: TEAM, context }
const group = { jid: TEAM, subject: 'Team', participants: [] }

/** A gateway that says yes to everything, or refuses everything, and what was to be written after it. */
const groupsWith = ({ answer = 200, store = true, refuses = false } = {}) => {
  const written: string[] = []
  const agree = async () => {
    if (refuses) throw new Error('No answer')
  }
  const results = [{ jid: JOHN, status: answer }]
  const groups: GroupGateway = {
    list: async () => [group],
    metadata: async () => group,
    create: async () => agree().then(() => ({ group, results })),
    setSubject: agree,
    setDescription: agree,
    changeParticipants: async () => agree().then(() => results),
    leave: agree,
    inviteCode: async () => 'code',
    revokeInvite: async () => agree().then(() => 'next'),
  }
  const gateway: Gateway = {
    open: agree,
    close: agree,
    connected: () => true,
    send: async () => ({ kind: 'retry', reason: 'none' }),
    pairingCode: async () => 'ABCDEFGH',
    markRead: agree,
    showPresence: agree,
    profilePicture: async () => undefined,
    groups,
  }
  const transact: Transact = async (decider, id, decide) => {
    if (!store) throw new StoreUnavailable()
    const events = decide(decider.initial)
    written.push(...events.map(({ type }) => `${decider.category}-${id} ${type}`))
    return { state: decider.initial, events, position: 0n }
  }
  return { written, ...createGroups({ transact, gatewayOf: () => gateway }) }
}
type Calls = ReturnType<typeof groupsWith>
const calls: readonly [string, (groups: Calls) => Promise<unknown>][] = [
  ['GroupCreated', ({ create }) => create(INSTANCE, { subject: 'Team', participants: [JOHN] }, context)],
  ['GroupChanged', ({ setSubject }) => setSubject(command, 'New')],
  ['GroupChanged', ({ setDescription }) => setDescription(command, 'New')],
  ['GroupParticipantsChanged', ({ changeParticipants }) => changeParticipants(command, 'add', [JOHN])],
  ['GroupLeft', ({ leave }) => leave(command)],
  ['GroupInviteRevoked', ({ revokeInvite }) => revokeInvite(command)],
]

test.each(calls)(
  '%s is written on the stream of the group once WhatsApp confirmed it',
  async (type, call) => {
    const groups = groupsWith()
    await call(groups)
    expect(groups.written).toEqual([`group-${groupId(INSTANCE, TEAM)} ${type}`])
  },
)
test.each(calls)('%s is not written if WhatsApp did not confirm it', async (_type, call) => {
  const groups = groupsWith({ refuses: true })
  await expect(call(groups)).rejects.toThrow('No answer')
  expect(groups.written).toEqual([])
})
test.each(calls)('%s that cannot be written is told as an error', async (_type, call) => {
  await expect(call(groupsWith({ store: false }))).rejects.toThrow(StoreUnavailable)
})
test('a change that WhatsApp refused for everybody is not written', async () => {
  const groups = groupsWith({ answer: 403 })
  expect(await groups.changeParticipants(command, 'add', [JOHN])).toEqual([{ jid: JOHN, status: 403 }])
  expect(groups.written).toEqual([])
})
