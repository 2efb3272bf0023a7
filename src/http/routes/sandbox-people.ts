import { Type } from 'typebox'
import { envelope, ok } from '../format.ts'
import { reply, route, type Route } from '../route.ts'
import { common, path, type SandboxParts } from './sandbox.ts'
import { ContactBody, contactOf, signView, SignView } from './sandbox-bodies.ts'

/** The people at the other end of the simulated phone: what is known of them, and what they see of it. */
export const sandboxPeopleRoutes = ({ sandbox, resolveInstance }: SandboxParts): readonly Route[] => [
  route({
    ...common,
    method: 'GET',
    path: path('signs'),
    operationId: 'getSandboxSigns',
    summary: 'What the instance let others see: read receipts, and that somebody types',
    description: 'The newest 1000; forgotten when the session closes, or moves to another node.',
    successDescription: 'The signs, oldest first.',
    responses: { 200: envelope(Type.Object({ signs: Type.Array(SignView) })) },
    async handle({ caller, params }) {
      const { id } = await resolveInstance(caller, params.id)
      return reply(200, ok({ signs: (await sandbox.signs(id)).map(signView) }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: path('contacts'),
    operationId: 'receiveSandboxContact',
    summary: 'Let something be known of a person',
    description:
      'Their name, that of the address book, their picture. A picture is looked at when it is new, and when somebody writes.',
    body: ContactBody,
    successDescription: 'Names are stored.',
    responses: { 200: envelope(Type.Object({ of: Type.String() })) },
    refusals: ['INSTANCE_NOT_CONNECTED'],
    examples: { body: { of: '5511988887777', address_book_name: 'Maria (Acme)' } },
    async handle({ caller, params, body }) {
      const { id } = await resolveInstance(caller, params.id)
      await sandbox.contact(id, contactOf(body))
      return reply(200, ok({ of: body.of }))
    },
  }),
]
