import { Type, type Static } from 'typebox'
import { instanceStatuses } from '../domain/instance.ts'
import { literals, Uuid } from '../domain/values.ts'
import { contactNames } from '../projections/contacts.ts'
import { tagsOf } from '../projections/conversation-tags.ts'
import type { ConversationRow } from '../projections/conversations.ts'
import { instancesAmong } from '../projections/instances.ts'
import { Nullable, secondsOrNull } from './format.ts'
import { pictureUrls, type PictureUrl } from './media-view.ts'
import { actorName } from './names.ts'
import type { RouteRequest } from './route.ts'
import type { Services } from './services.ts'

export const ShownTag = Type.Object({ id: Uuid, name: Type.String(), color: Type.String() })

const View = {
  id: Uuid,
  number: Type.Integer({ description: 'The `conversation_id` of webhooks; accepted wherever the UUID is' }),
  instance_id: Uuid,
  contact_number: Type.String(),
  contact_name: Nullable,
  display_name: Type.String(),
  is_group: Type.Boolean(),
  profile_picture_url: Nullable,
  last_message: Nullable,
  last_message_at: Nullable,
  unread_count: Type.Integer(),
  is_archived: Type.Boolean(),
  archived_at: Nullable,
}
const Screen = {
  tags: Type.Array(ShownTag),
  instance: Type.Object({ uuid: Uuid, phone_number: Nullable, status: literals(instanceStatuses) }),
}

/** In a list: with tags if they are asked for, and for a chat on a screen with the instance, too. */
export const ListedConversation = Type.Object({
  ...View,
  tags: Type.Optional(Screen.tags),
  instance: Type.Optional(Screen.instance),
})

export const automationStatuses = ['inactive', 'active', 'paused'] as const
export const Automation = Type.Object({
  automation_status: literals(automationStatuses, {
    description: 'inactive: automation has no part in this conversation',
  }),
  is_automation_active: Type.Boolean(),
  can_send_manual_message: Type.Boolean(),
  paused_at: Nullable,
  paused_by: Nullable,
  pause_reason: Nullable,
})

export const ConversationDetail = Type.Object({
  ...View,
  ...Screen,
  automation_status: Automation.properties.automation_status,
  can_send_manual_message: Type.Boolean(),
  automation_paused_at: Nullable,
})

const view = (row: ConversationRow, savedName: string | undefined, urlOf: PictureUrl) => ({
  id: row.id,
  number: row.number,
  instance_id: row.instance_id,
  contact_number: row.contact_number,
  contact_name: savedName ?? row.name,
  display_name: savedName ?? row.name ?? row.contact_number,
  is_group: row.is_group,
  profile_picture_url: urlOf(row.picture),
  last_message: row.last_message,
  last_message_at: secondsOrNull(row.last_message_at),
  unread_count: row.unread_count,
  is_archived: row.archived_at !== null,
  archived_at: secondsOrNull(row.archived_at),
})

type Parts = Pick<Services, 'db' | 'hasAutomation' | 'settings'>

/** How conversations are shown: each of these looks up once what a whole page needs. */
export const createConversationViews = ({ db, hasAutomation, settings }: Parts) => {
  /** `active` only while there is an automation that could answer. */
  const statusOf = async ({ automation, instance_id }: ConversationRow) => {
    if (automation === 'paused') return 'paused'
    return automation === 'active' && (await hasAutomation(instance_id)) ? 'active' : 'inactive'
  }

  const listed = async (
    rows: readonly ConversationRow[],
    { tags, screen }: { tags: boolean; screen: boolean },
    request: RouteRequest,
  ): Promise<Static<typeof ListedConversation>[]> => {
    const [nameOf, tagged, instanceOf] = await Promise.all([
      contactNames(
        db,
        rows.map(({ contact_id }) => contact_id),
      ),
      tagsOf(db, tags || screen ? rows.map(({ id }) => id) : []),
      instancesAmong(db, screen ? rows.map(({ instance_id }) => instance_id) : []),
    ])
    const urlOf = pictureUrls(request, settings.publicUrl)
    return rows.map((row) => ({
      ...view(row, nameOf(row.contact_id), urlOf),
      ...((tags || screen) && { tags: [...tagged(row.id)] }),
      ...(screen && { instance: instanceOf(row.instance_id) }),
    }))
  }

  const detail = async (
    row: ConversationRow,
    request: RouteRequest,
  ): Promise<Static<typeof ConversationDetail>> => {
    const [nameOf, tagged, instanceOf, automation_status] = await Promise.all([
      contactNames(db, [row.contact_id]),
      tagsOf(db, [row.id]),
      instancesAmong(db, [row.instance_id]),
      statusOf(row),
    ])
    return {
      ...view(row, nameOf(row.contact_id), pictureUrls(request, settings.publicUrl)),
      tags: [...tagged(row.id)],
      instance: instanceOf(row.instance_id),
      automation_status,
      can_send_manual_message: automation_status !== 'active',
      automation_paused_at: secondsOrNull(row.paused_at),
    }
  }

  const automation = async (row: ConversationRow): Promise<Static<typeof Automation>> => {
    const automation_status = await statusOf(row)
    return {
      automation_status,
      is_automation_active: automation_status === 'active',
      can_send_manual_message: automation_status !== 'active',
      paused_at: secondsOrNull(row.paused_at),
      paused_by: row.paused_by && (await actorName(db, row.paused_by)),
      pause_reason: row.pause_reason,
    }
  }

  return { listed, detail, automation }
}
