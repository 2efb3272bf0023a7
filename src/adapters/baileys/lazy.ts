import type { Gateway } from '../../ports/gateway.ts'

type Stoppable = Gateway & { stop(): Promise<void> }

/**
 * A gateway that is loaded when it is first asked for anything: its library is large, and under a licence of its own,
 * so that nobody has it in memory who has no instance for it.
 */
export const lazyGateway = (load: () => Promise<Stoppable>): Stoppable => {
  let loading: Promise<Stoppable> | undefined
  let loaded: Stoppable | undefined
  const get = () =>
    (loading ??= load().then(
      (gateway) => (loaded = gateway),
      (error: unknown) => {
        loading = undefined
        throw error
      },
    ))
  const groups = async () => (await get()).groups

  return {
    open: async (session, listener) => (await get()).open(session, listener),
    close: async (instanceId, how) => (await get()).close(instanceId, how),
    connected: (instanceId) => loaded?.connected(instanceId) ?? false,
    send: async (message) => (await get()).send(message),
    pairingCode: async (instanceId, phoneNumber) => (await get()).pairingCode(instanceId, phoneNumber),
    markRead: async (instanceId, messages) => (await get()).markRead(instanceId, messages),
    showPresence: async (instanceId, chat, presence) =>
      (await get()).showPresence(instanceId, chat, presence),
    profilePicture: async (instanceId, jid) => (await get()).profilePicture(instanceId, jid),
    groups: {
      list: async (id) => (await groups()).list(id),
      metadata: async (id, jid) => (await groups()).metadata(id, jid),
      create: async (id, group) => (await groups()).create(id, group),
      setSubject: async (id, jid, subject) => (await groups()).setSubject(id, jid, subject),
      setDescription: async (id, jid, description) => (await groups()).setDescription(id, jid, description),
      changeParticipants: async (id, jid, action, people) =>
        (await groups()).changeParticipants(id, jid, action, people),
      leave: async (id, jid) => (await groups()).leave(id, jid),
      inviteCode: async (id, jid) => (await groups()).inviteCode(id, jid),
      revokeInvite: async (id, jid) => (await groups()).revokeInvite(id, jid),
    },
    stop: async () => (await loading?.catch(() => undefined))?.stop(),
  }
}
