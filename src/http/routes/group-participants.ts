import { Type } from 'typebox'
import type { ParticipantAction } from '../../domain/group.ts'
import { envelope, ok } from '../format.ts'
import type { ResolveInstance } from '../instances.ts'
import { reply, route, type Caller, type RouteRequest } from '../route.ts'
import type { Services } from '../services.ts'
import {
  countsOf,
  mustHaveSucceeded,
  Participants,
  participantsOf,
  ParticipantsInQuery,
  ResultView,
  resultView,
} from './group-bodies.ts'
import { createGroupFinder, ofGroup } from './groups.ts'

const common = {
  ...ofGroup,
  access: 'groups:write',
  successDescription: 'What became of each of them; some may have been refused.',
  responses: { 200: envelope(Type.Object({ jid: Type.String(), results: Type.Array(ResultView) })) },
  refusals: ['INSTANCE_NOT_CONNECTED', 'REFUSED_BY_WHATSAPP'],
} as const
const allRefused = 'Answers 422 `REFUSED_BY_WHATSAPP` if all of them were refused.'
const eitherWay = `${allRefused} The participants may stand in the query instead, since some proxies drop the body of a DELETE.`
const optional = Type.Object({ participants: Type.Optional(Participants) })
const inQuery = Type.Object({ participants: Type.Optional(ParticipantsInQuery) })
const one = { body: { participants: ['5511987654321'] } }

/** Who is in a group, and who is an admin of it. */
export const groupParticipantRoutes = ({ groups }: Services, resolveInstance: ResolveInstance) => {
  const find = createGroupFinder(resolveInstance)

  const change = async (
    action: ParticipantAction,
    {
      caller,
      params,
      request,
    }: { caller: Caller; params: { id: string; jid: string }; request: RouteRequest },
    named: readonly string[] | undefined,
  ) => {
    const command = await find(caller, params, request)
    const results = await groups.changeParticipants(command, action, participantsOf(named))
    mustHaveSucceeded(action, results)
    const shown = results.map((result) => resultView(action, result))
    return reply(200, ok({ jid: command.chat, results: shown }, countsOf(action, results)))
  }

  return [
    route({
      ...common,
      method: 'POST',
      path: '/instances/:id/groups/:jid/participants',
      operationId: 'addGroupParticipants',
      summary: 'Add people to a group',
      description: `${allRefused} In the sandbox, numbers that end in 0000 do not let themselves be added (403).`,
      body: Type.Object({ participants: Participants }),
      examples: { body: { participants: ['5511987654321', '5511976543210'] } },
      handle: (input) => change('add', input, input.body.participants),
    }),
    route({
      ...common,
      method: 'DELETE',
      path: '/instances/:id/groups/:jid/participants',
      operationId: 'removeGroupParticipants',
      summary: 'Remove people from a group',
      description: eitherWay,
      query: inQuery,
      body: optional,
      examples: one,
      handle: (input) => change('remove', input, input.body.participants ?? input.query.participants),
    }),
    route({
      ...common,
      method: 'POST',
      path: '/instances/:id/groups/:jid/admins',
      operationId: 'promoteGroupAdmins',
      summary: 'Make participants admins',
      description: allRefused,
      body: Type.Object({ participants: Participants }),
      examples: one,
      handle: (input) => change('promote', input, input.body.participants),
    }),
    route({
      ...common,
      method: 'DELETE',
      path: '/instances/:id/groups/:jid/admins',
      operationId: 'demoteGroupAdmins',
      summary: 'Make admins ordinary participants',
      description: eitherWay,
      query: inQuery,
      body: optional,
      examples: one,
      handle: (input) => change('demote', input, input.body.participants ?? input.query.participants),
    }),
  ]
}
