import { isDeepStrictEqual } from 'node:util'
import { Type, type Static } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { notFound } from './errors.ts'
import { Flow } from './flow-definition.ts'
import { Integration } from './integration.ts'
import { literals, SerialNumber, Time, Uuid } from './values.ts'

export const automationKinds = ['flow', 'integration'] as const
export type AutomationKind = (typeof automationKinds)[number]

const Definition = Type.Union([Flow, Integration])
/** A flow, or an integration: what an automation does. */
export type Definition = Static<typeof Definition>

const Settings = { name: Type.String(), enabled: Type.Boolean(), definition: Definition }

export const automationEvents = {
  AutomationCreated: eventSchema(
    Type.Object({
      number: SerialNumber,
      instanceId: Uuid,
      kind: literals(automationKinds),
      ...Settings,
      at: Time,
    }),
  ),
  /** How it is from now on. */
  AutomationChanged: eventSchema(Type.Object({ ...Settings, at: Time })),
  AutomationDeleted: eventSchema(Type.Object({ at: Time })),
}
export type AutomationEvent = EventOf<typeof automationEvents>

type Settings = { readonly name: string; readonly enabled: boolean; readonly definition: Definition }
/** Without settings it does not exist. */
export type Automation = { readonly settings?: Settings }

export const isFlow = (definition: Definition): definition is Flow => 'steps' in definition

/** Answers messages of an instance by itself. */
export const Automation: Decider<Automation, AutomationEvent> = {
  category: 'automation',
  events: automationEvents,
  initial: {},
  evolve: (_state, event) => {
    switch (event.type) {
      case 'AutomationCreated':
      case 'AutomationChanged': {
        const { name, enabled, definition } = event.data
        return { settings: { name, enabled, definition } }
      }
      case 'AutomationDeleted':
        return {}
    }
  },
}

type Decision = Decide<Automation, AutomationEvent>
type Created = Extract<AutomationEvent, { type: 'AutomationCreated' }>['data']

export const create =
  (data: Created): Decision =>
  ({ settings }) =>
    settings ? [] : [{ type: 'AutomationCreated', data }]

/** What is left out stays as it was. */
export const change =
  (wanted: { [S in keyof Settings]?: Settings[S] | undefined }, at: string): Decision =>
  ({ settings }) => {
    if (!settings) throw notFound('Automation')
    const next = {
      name: wanted.name ?? settings.name,
      enabled: wanted.enabled ?? settings.enabled,
      definition: wanted.definition ?? settings.definition,
    }
    return isDeepStrictEqual(next, settings) ? [] : [{ type: 'AutomationChanged', data: { ...next, at } }]
  }

export const remove =
  (at: string): Decision =>
  ({ settings }) => {
    if (!settings) throw notFound('Automation')
    return [{ type: 'AutomationDeleted', data: { at } }]
  }
