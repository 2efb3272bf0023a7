import { Type } from 'typebox'
import { invalid } from '../../domain/errors.ts'
import { isDone } from '../../domain/group.ts'
import { contextOf } from '../context.ts'
import { GivenInstance } from '../fields.ts'
import { envelope, ok } from '../format.ts'
import type { ResolveInstance } from '../instances.ts'
import { reply, route, type Caller, type RouteRequest } from '../route.ts'
import type { Services } from '../services.ts'
import {
  countsOf,
  Description,
  GroupItem,
  groupItem,
  groupJidOf,
  GroupView,
  groupView,
  Participants,
  participantsOf,
  ResultView,
  resultView,
  Subject,
} from './group-bodies.ts'

const jid = Type.String({ description: 'JID of the group, such as 120363001234567890@g.us, or its digits' })
const common = { tag: 'Groups', limit: 'standard', refusals: ['INSTANCE_NOT_CONNECTED'] } as const
const ofInstance = { ...common, params: Type.Object({ id: GivenInstance }) }
export const ofGroup = { ...common, params: Type.Object({ id: GivenInstance, jid }) }
const linkOf = (code: string) => `https://chat.whatsapp.com/${code}`

/** Finds the group that a path names, for a call in the caller's name. */
export const createGroupFinder =
  (resolveInstance: ResolveInstance) =>
  async (caller: Caller, params: { id: string; jid: string }, request: RouteRequest) => {
    const { id: instanceId } = await resolveInstance(caller, params.id)
    return { instanceId, chat: groupJidOf(params.jid), context: contextOf(caller, request) }
  }

export const groupRoutes = ({ groups }: Services, resolveInstance: ResolveInstance) => {
  const find = createGroupFinder(resolveInstance)

  return [
    route({
      ...ofInstance,
      method: 'GET',
      path: '/instances/:id/groups',
      operationId: 'listGroups',
      summary: 'All groups that the instance is in',
      access: 'groups:read',
      successDescription: 'The groups, as WhatsApp has them at this moment.',
      responses: {
        200: envelope(Type.Object({ groups: Type.Array(GroupItem), total: Type.Integer() })),
      },
      async handle({ caller, params }) {
        const instance = await resolveInstance(caller, params.id)
        const list = await groups.list(instance.id)
        return reply(200, ok({ groups: list.map(groupItem), total: list.length }))
      },
    }),
    route({
      ...ofInstance,
      method: 'POST',
      path: '/instances/:id/groups',
      operationId: 'createGroup',
      summary: 'Create a group',
      description:
        'The group is made even if WhatsApp does not let some of the people be added; `results` then says who and why.',
      access: 'groups:write',
      body: Type.Object({ subject: Subject, participants: Participants }),
      successDescription: 'The group. `results` is there if not everybody could be added.',
      responses: {
        201: envelope(
          Type.Object({
            group: Type.Object({ jid: Type.String(), subject: Type.String() }),
            message: Type.String(),
            results: Type.Optional(Type.Array(ResultView)),
          }),
        ),
      },
      examples: { body: { subject: 'My New Group', participants: ['5511987654321', '5511976543210'] } },
      async handle({ caller, params, body, request }) {
        const instance = await resolveInstance(caller, params.id)
        const wanted = { subject: body.subject, participants: participantsOf(body.participants) }
        const { group, results } = await groups.create(instance.id, wanted, contextOf(caller, request))
        const message = 'Group created successfully'
        return reply(
          201,
          ok({
            group: { jid: group.jid, subject: group.subject },
            ...(results.every(isDone)
              ? { message }
              : {
                  message: `${message}; ${countsOf('add', results)}`,
                  results: results.map((result) => resultView('add', result)),
                }),
          }),
        )
      },
    }),
    route({
      ...ofGroup,
      method: 'GET',
      path: '/instances/:id/groups/:jid',
      operationId: 'getGroup',
      summary: 'One group with its participants',
      access: 'groups:read',
      successDescription: 'The group, as WhatsApp has it at this moment.',
      responses: { 200: envelope(GroupView) },
      async handle({ caller, params, request }) {
        const { instanceId, chat } = await find(caller, params, request)
        return reply(200, ok(groupView(await groups.metadata(instanceId, chat))))
      },
    }),
    route({
      ...ofGroup,
      method: 'PATCH',
      path: '/instances/:id/groups/:jid',
      operationId: 'updateGroup',
      summary: 'Change name or description of a group',
      description: 'Give one of them at least.',
      access: 'groups:write',
      body: Type.Object({ subject: Type.Optional(Subject), description: Type.Optional(Description) }),
      successDescription: 'The group as it is now.',
      responses: { 200: envelope(GroupView) },
      examples: { body: { subject: 'New Group Name', description: 'Updated description' } },
      async handle({ caller, params, body, request }) {
        const command = await find(caller, params, request)
        const { subject, description } = body
        if (subject === undefined && description === undefined)
          throw invalid('subject', 'is required unless description is given')
        if (subject !== undefined) await groups.setSubject(command, subject)
        if (description !== undefined) await groups.setDescription(command, description)
        const group = await groups.metadata(command.instanceId, command.chat)
        return reply(200, ok(groupView(group), 'Group updated'))
      },
    }),
    route({
      ...ofGroup,
      method: 'POST',
      path: '/instances/:id/groups/:jid/leave',
      operationId: 'leaveGroup',
      summary: 'Leave a group',
      access: 'groups:write',
      successDescription: 'The instance is no longer in the group.',
      responses: { 200: envelope(Type.Object({ jid: Type.String() })) },
      async handle({ caller, params, request }) {
        const command = await find(caller, params, request)
        await groups.leave(command)
        return reply(200, ok({ jid: command.chat }, 'Left the group'))
      },
    }),
    route({
      ...ofGroup,
      method: 'GET',
      path: '/instances/:id/groups/:jid/invite',
      operationId: 'getGroupInvite',
      summary: 'Invite link of a group',
      access: 'groups:read',
      successDescription: 'Whoever has the link can join.',
      responses: { 200: envelope(Type.Object({ code: Type.String(), invite_link: Type.String() })) },
      async handle({ caller, params, request }) {
        const { instanceId, chat } = await find(caller, params, request)
        const code = await groups.inviteCode(instanceId, chat)
        return reply(200, ok({ code, invite_link: linkOf(code) }))
      },
    }),
    route({
      ...ofGroup,
      method: 'DELETE',
      path: '/instances/:id/groups/:jid/invite',
      operationId: 'revokeGroupInvite',
      summary: 'Revoke the invite link of a group',
      access: 'groups:write',
      successDescription: 'The link of before is no longer good; there is a new one.',
      responses: {
        200: envelope(Type.Object({ new_code: Type.String(), new_invite_link: Type.String() })),
      },
      async handle({ caller, params, request }) {
        const code = await groups.revokeInvite(await find(caller, params, request))
        return reply(200, ok({ new_code: code, new_invite_link: linkOf(code) }, 'Invite link revoked'))
      },
    }),
  ]
}
