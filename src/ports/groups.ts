import type { ParticipantAction, ParticipantResult } from '../domain/group.ts'

export type GroupParticipant = {
  readonly jid: string
  /** `superadmin` made the group. */
  readonly admin: 'admin' | 'superadmin' | null
}

/** A WhatsApp group as WhatsApp shows it at this moment. */
export type GroupMetadata = {
  readonly jid: string
  readonly subject: string
  readonly description?: string
  readonly owner?: string
  readonly participants: readonly GroupParticipant[]
}

/**
 * The groups that an instance is in. WhatsApp is the truth about them: nothing is kept here.
 *
 * Each call answers within a bounded time, and refuses with INSTANCE_NOT_CONNECTED; NOT_FOUND if the instance is in no
 * such group; FORBIDDEN if it is not an admin of it; REFUSED_BY_WHATSAPP for any other no; UNAVAILABLE if there was no
 * answer, so that it may or may not be done. Every adapter passes `test/contracts/groups.ts`.
 */
export interface GroupGateway {
  list(instanceId: string): Promise<readonly GroupMetadata[]>
  metadata(instanceId: string, jid: string): Promise<GroupMetadata>
  /** Makes a group of the instance and these people; it exists even if WhatsApp takes none of them. */
  create(
    instanceId: string,
    group: { readonly subject: string; readonly participants: readonly string[] },
  ): Promise<{ readonly group: GroupMetadata; readonly results: readonly ParticipantResult[] }>
  setSubject(instanceId: string, jid: string, subject: string): Promise<void>
  /** Empty: takes it away. */
  setDescription(instanceId: string, jid: string, description: string): Promise<void>
  /** Answers for each participant, in the order given. */
  changeParticipants(
    instanceId: string,
    jid: string,
    action: ParticipantAction,
    participants: readonly string[],
  ): Promise<readonly ParticipantResult[]>
  leave(instanceId: string, jid: string): Promise<void>
  /** What stands behind `https://chat.whatsapp.com/`. */
  inviteCode(instanceId: string, jid: string): Promise<string>
  /** Makes the code useless and answers the new one. */
  revokeInvite(instanceId: string, jid: string): Promise<string>
}
