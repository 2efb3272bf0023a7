import { Refusal } from '../domain/errors.ts'
import { Group, isDone, record, type GroupEvent, type ParticipantAction } from '../domain/group.ts'
import { groupId } from '../domain/ids.ts'
import type { Context } from '../domain/metadata.ts'
import type { Gateway } from '../ports/gateway.ts'
import type { GroupGateway } from '../ports/groups.ts'
import type { Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly gatewayOf: (instanceId: string) => Gateway | undefined
}

/** A group of an instance, and who wants something of it. */
export type GroupCommand = { readonly instanceId: string; readonly chat: string; readonly context: Context }

/**
 * WhatsApp is the truth about groups: it is asked for them, and what it confirmed is then written down. If that fails
 * the caller is told so, although WhatsApp has done it. To ask again does no harm, only `create` makes another group.
 */
export const createGroups = ({ transact, gatewayOf }: Parts) => {
  const groupsOf = (instanceId: string): GroupGateway => {
    const gateway = gatewayOf(instanceId)
    if (!gateway?.connected(instanceId))
      throw new Refusal(
        'INSTANCE_NOT_CONNECTED',
        'The instance is not connected to WhatsApp, which alone knows its groups. Connect it first.',
      )
    return gateway.groups
  }

  const write = async ({ instanceId, chat, context }: GroupCommand, confirmed: GroupEvent) =>
    void (await transact(Group, groupId(instanceId, chat), record(confirmed), context))
  const about = ({ instanceId, chat }: GroupCommand) => ({ instanceId, chat, at: new Date().toISOString() })

  return {
    list: async (instanceId: string) => groupsOf(instanceId).list(instanceId),
    metadata: async (instanceId: string, chat: string) => groupsOf(instanceId).metadata(instanceId, chat),
    inviteCode: async (instanceId: string, chat: string) => groupsOf(instanceId).inviteCode(instanceId, chat),

    create: async (
      instanceId: string,
      wanted: { readonly subject: string; readonly participants: readonly string[] },
      context: Context,
    ) => {
      const { group, results } = await groupsOf(instanceId).create(instanceId, wanted)
      const command = { instanceId, chat: group.jid, context }
      const data = { ...about(command), subject: wanted.subject, participants: [...results] }
      await write(command, { type: 'GroupCreated', data })
      return { group, results }
    },

    setSubject: async (command: GroupCommand, subject: string) => {
      await groupsOf(command.instanceId).setSubject(command.instanceId, command.chat, subject)
      await write(command, { type: 'GroupChanged', data: { ...about(command), subject } })
    },

    setDescription: async (command: GroupCommand, description: string) => {
      await groupsOf(command.instanceId).setDescription(command.instanceId, command.chat, description)
      await write(command, { type: 'GroupChanged', data: { ...about(command), description } })
    },

    /** Answers for each participant; if all were refused, nothing has happened and nothing is written. */
    changeParticipants: async (
      command: GroupCommand,
      action: ParticipantAction,
      participants: readonly string[],
    ) => {
      const { instanceId, chat } = command
      const results = await groupsOf(instanceId).changeParticipants(instanceId, chat, action, participants)
      const data = { ...about(command), action, participants: [...results] }
      if (results.some(isDone)) await write(command, { type: 'GroupParticipantsChanged', data })
      return results
    },

    leave: async (command: GroupCommand) => {
      await groupsOf(command.instanceId).leave(command.instanceId, command.chat)
      await write(command, { type: 'GroupLeft', data: about(command) })
    },

    /** Answers the code that is good from now on. */
    revokeInvite: async (command: GroupCommand) => {
      const code = await groupsOf(command.instanceId).revokeInvite(command.instanceId, command.chat)
      await write(command, { type: 'GroupInviteRevoked', data: about(command) })
      return code
    },
  }
}
export type Groups = ReturnType<typeof createGroups>
