import { Type } from 'typebox'
import {
  Automation,
  automationKinds,
  change,
  create,
  isFlow,
  remove,
  type Definition,
} from '../../domain/automation.ts'
import { invalid, notFound, Refusal } from '../../domain/errors.ts'
import { begin, resume } from '../../domain/flow.ts'
import type { Flow } from '../../domain/flow-definition.ts'
import { newId } from '../../domain/ids.ts'
import { TIMEOUT_SECONDS, type GivenIntegration } from '../../domain/integration.ts'
import { literals } from '../../domain/values.ts'
import { listAutomations, type AutomationRow } from '../../projections/automations.ts'
import { tagsAmong } from '../../projections/tags.ts'
import { makeUpWebhookSecret } from '../../write/accounts.ts'
import {
  AutomationView,
  automationView,
  RunState,
  Tried,
  triedMessage,
  triedView,
} from '../automation-views.ts'
import { contextOf } from '../context.ts'
import { checkDefinition } from '../definitions.ts'
import { Done, done, envelope, ok } from '../format.ts'
import { isSerial, isUuid, type Instances } from '../instances.ts'
import { reply, route, type Caller } from '../route.ts'
import type { Services } from '../services.ts'

const common = { tag: 'Automations', limit: 'standard' } as const
const ofInstance = Type.Object({ id: Type.String({ description: 'UUID or number of the instance' }) })
const params = Type.Object({ id: Type.String({ description: 'UUID or number of the automation' }) })
/** Each of them is asked about every message. */
const PER_INSTANCE_MAX = 50

const Name = Type.String({ minLength: 1, maxLength: 100 })
/** Checked by its kind, in `definitions.ts`; the schemas stand in the answer. */
const GivenDefinition = Type.Unsafe<object>({
  type: 'object',
  description:
    'Of a flow: `trigger` and `steps`; of an integration: `url`, `secret`, `timeout_seconds`. In full: see the answer.',
})

const greeting = {
  name: 'Greeting',
  kind: 'flow',
  enabled: true,
  definition: {
    trigger: { type: 'keyword', words: ['olá', 'oi'], match: 'starts_with' },
    steps: [
      { type: 'ask', text: 'Olá {{name}}! 1: vendas, 2: suporte', save_as: 'setor' },
      {
        type: 'branch',
        on: 'setor',
        cases: [
          {
            match: { type: 'keyword', words: ['1', 'vendas'], match: 'whole' },
            steps: [{ type: 'hand_over', reason: 'Vendas' }],
          },
        ],
        otherwise: [{ type: 'reply', text: 'Um momento, por favor.' }],
      },
    ],
  },
} as const

/** What answers messages of an instance by itself. */
export const automationRoutes = (services: Services, instances: Instances) => {
  const { db, transact, numbers, caughtUp, refusedUrl, askIntegration } = services

  const rowOf = async (caller: Caller, ref: string): Promise<AutomationRow> => {
    if (!isUuid(ref) && !isSerial(ref)) throw notFound('Automation')
    const query = db.selectFrom('automation').selectAll().where('tenant_id', '=', caller.tenantId)
    const row = await (
      isUuid(ref) ? query.where('id', '=', ref) : query.where('number', '=', Number(ref))
    ).executeTakeFirst()
    if (!row || (caller.instanceId !== undefined && caller.instanceId !== row.instance_id))
      throw notFound('Automation')
    return row
  }

  const checked = (caller: Caller, kind: AutomationRow['kind'], definition: unknown) =>
    checkDefinition(kind, definition, {
      refusedUrl,
      knownTags: async (ids) => new Set((await tagsAmong(db, caller.tenantId, ids)).map(({ id }) => id)),
    })

  /** As it is kept: with a secret, its own, the present one or one made up, and a time-out. */
  const complete = (given: Flow | GivenIntegration, secret: string): Definition =>
    'steps' in given ? given : { secret, timeout_seconds: TIMEOUT_SECONDS, ...given }

  return [
    route({
      ...common,
      method: 'GET',
      path: '/instances/:id/automations',
      operationId: 'listAutomations',
      reads: ['automations'],
      summary: 'Automations of the instance',
      description: 'In the order in which they are asked: the first enabled one whose trigger fits answers.',
      access: 'automations:read',
      params: ofInstance,
      successDescription: 'The automations, without their secrets.',
      responses: { 200: envelope(Type.Object({ automations: Type.Array(AutomationView) })) },
      async handle({ caller, params }) {
        const instance = await instances.ofCaller(caller, params.id)
        const rows = await listAutomations(db, instance.id)
        return reply(200, ok({ automations: rows.map(automationView) }))
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/instances/:id/automations',
      operationId: 'createAutomation',
      reads: ['automations', 'tags'],
      summary: 'Create an automation',
      description:
        'Once it is enabled, it answers in chats with one person that begin from then on, and sending into these is blocked until it is paused there.',
      access: 'automations:write',
      params: ofInstance,
      body: Type.Object({
        name: Name,
        kind: literals(automationKinds),
        enabled: Type.Optional(Type.Boolean({ description: 'true, if it is left out' })),
        definition: GivenDefinition,
      }),
      successDescription: 'The automation. `secret` is shown this once, and only if it was made here.',
      responses: {
        201: envelope(Type.Object({ ...AutomationView.properties, secret: Type.Optional(Type.String()) })),
      },
      refusals: ['CONFLICT'],
      examples: { body: greeting },
      async handle({ caller, params, body, request }) {
        const instance = await instances.ofCaller(caller, params.id)
        const { name, kind, enabled = true } = body
        const freshSecret = makeUpWebhookSecret()
        const definition = complete(await checked(caller, kind, body.definition), freshSecret)
        if ((await listAutomations(db, instance.id)).length >= PER_INSTANCE_MAX)
          throw new Refusal(
            'CONFLICT',
            `An instance has at most ${PER_INSTANCE_MAX} automations. Delete one that is not needed.`,
          )
        const id = newId()
        const [number, at] = [await numbers('automation'), new Date().toISOString()]
        const data = { number, instanceId: instance.id, name, kind, enabled, definition, at }
        const context = contextOf(caller, request)
        const { position } = await transact(Automation, id, create(data), context, { expectNew: true })
        await caughtUp(position, 'automations')
        const row = {
          id,
          tenant_id: caller.tenantId,
          instance_id: instance.id,
          created_at: at,
          updated_at: at,
        }
        const isFresh = 'secret' in definition && definition.secret === freshSecret
        const view = automationView({ ...row, number, name, kind, enabled, definition })
        return reply(201, ok({ ...view, ...(isFresh && { secret: freshSecret }) }, 'Automation created'))
      },
    }),
    route({
      ...common,
      method: 'GET',
      path: '/automations/:id',
      operationId: 'getAutomation',
      reads: ['automations'],
      summary: 'One automation',
      access: 'automations:read',
      params,
      successDescription: 'The automation, without its secret.',
      responses: { 200: envelope(AutomationView) },
      handle: async ({ caller, params }) => reply(200, ok(automationView(await rowOf(caller, params.id)))),
    }),
    route({
      ...common,
      method: 'PUT',
      path: '/automations/:id',
      operationId: 'changeAutomation',
      reads: ['automations', 'tags'],
      summary: 'Change an automation',
      description: 'What is left out stays as it was, the secret of an integration too.',
      access: 'automations:write',
      params,
      body: Type.Object({
        name: Type.Optional(Name),
        enabled: Type.Optional(Type.Boolean()),
        definition: Type.Optional(GivenDefinition),
      }),
      successDescription: 'The automation as it is now.',
      responses: { 200: envelope(AutomationView) },
      examples: { body: { enabled: false } },
      async handle({ caller, params, body, request }) {
        const row = await rowOf(caller, params.id)
        const secret = isFlow(row.definition) ? '' : row.definition.secret
        const definition =
          body.definition && complete(await checked(caller, row.kind, body.definition), secret)
        const at = new Date().toISOString()
        const decide = change({ name: body.name, enabled: body.enabled, definition }, at)
        const { state, events, position } = await transact(
          Automation,
          row.id,
          decide,
          contextOf(caller, request),
        )
        await caughtUp(position, 'automations')
        const changed = events.length > 0 && { updated_at: at }
        return reply(200, ok(automationView({ ...row, ...state.settings, ...changed }), 'Automation changed'))
      },
    }),
    route({
      ...common,
      method: 'DELETE',
      path: '/automations/:id',
      operationId: 'deleteAutomation',
      reads: ['automations'],
      summary: 'Delete an automation',
      access: 'automations:write',
      params,
      successDescription: 'Deleted.',
      responses: { 200: Done },
      async handle({ caller, params, request }) {
        const { id } = await rowOf(caller, params.id)
        const decide = remove(new Date().toISOString())
        const { position } = await transact(Automation, id, decide, contextOf(caller, request))
        await caughtUp(position, 'automations')
        return reply(200, done('Automation deleted'))
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/automations/:id/try',
      operationId: 'tryAutomation',
      reads: ['automations'],
      summary: 'Try what an automation would answer',
      description:
        'Sends and stores nothing. Without `state` the message is the first one of a conversation. An integration is asked, with `"try": true`.',
      access: 'automations:write',
      params,
      body: Type.Object({
        text: Type.String({ maxLength: 4096 }),
        name: Type.Optional(Type.String({ maxLength: 100, description: 'Of the person who writes' })),
        state: Type.Optional(RunState),
      }),
      successDescription: 'What would be sent, and where it would wait.',
      responses: { 200: envelope(Tried) },
      examples: { body: { text: 'oi', name: 'Maria' } },
      async handle({ caller, params, body }) {
        const row = await rowOf(caller, params.id)
        const { definition } = row
        const { text, name, state } = body
        if (!isFlow(definition)) {
          const runId = newId()
          const to = { integration: definition, instanceId: row.instance_id, runId }
          const turn = await askIntegration(to, triedMessage(row, runId, text, name))
          return reply(200, ok(triedView(turn)))
        }
        if (!state) return reply(200, ok(triedView(begin(definition, { text, name }, true))))
        const waiting = { at: state.waiting_at, variables: state.variables }
        const turn = resume(definition, waiting, { text, name })
        if (!turn) throw invalid('state', 'must be one that this flow answered: it does not wait there')
        return reply(200, ok(triedView(turn)))
      },
    }),
  ]
}
