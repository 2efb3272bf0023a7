import { expect, test } from 'vitest'
import { Automation, change, create, remove, type AutomationEvent } from '../../src/domain/automation.ts'
import {
  AutomationRun,
  drop,
  isHandled,
  record,
  stop,
  type AutomationRunEvent,
} from '../../src/domain/automation-run.ts'
import { fold } from '../../src/domain/decider.ts'
import { AT, INSTANCE, later } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const automation = specification(Automation)
const definition = { trigger: { type: 'any' }, steps: [{ type: 'reply', text: 'hi' }] } as const
const flow = { trigger: definition.trigger, steps: [...definition.steps] }
const settings = { name: 'Greeter', enabled: true, definition: flow }
const data = { number: 1, instanceId: INSTANCE, kind: 'flow', ...settings, at: AT } as const
const created: AutomationEvent = { type: 'AutomationCreated', data }
const deleted: AutomationEvent = { type: 'AutomationDeleted', data: { at: AT } }

test('an automation is created once', () => automation.given().when(create(data)).then(created))
test('what is left out of a change stays as it was', () =>
  automation
    .given(created)
    .when(change({ enabled: false }, AT))
    .then({ type: 'AutomationChanged', data: { ...settings, enabled: false, at: AT } }))
test('a change to what is there already changes nothing', () =>
  automation
    .given(created)
    .when(change({ name: 'Greeter', definition: structuredClone(flow) }, AT))
    .then())
test('an automation is deleted, and is then neither changed nor deleted', () => {
  automation.given(created).when(remove(AT)).then(deleted)
  automation.given(created, deleted).when(remove(AT)).refuses('NOT_FOUND')
  automation.given(created, deleted).when(change({}, AT)).refuses('NOT_FOUND')
})

const run = specification(AutomationRun)
const id = (n: number) => `550e8400-e29b-41d4-a716-4466554401${String(n).padStart(2, '0')}`
const [RUN, OTHER_RUN, BOT] = [id(1), id(2), id(3)]
const message = (n: number) => ({ id: id(10 + n), heardAt: later(n) })
const about = (n: number, runId = RUN) => ({
  runId,
  automationId: BOT,
  messageId: message(n).id,
  heardAt: message(n).heardAt,
  at: AT,
})
const asking = { outcome: 'waiting', waiting: { at: [2, 0, 1], variables: { age: '42' } } } as const
const started = (n: number, runId?: string): AutomationRunEvent => ({
  type: 'AutomationRunStarted',
  data: about(n, runId),
})
const advanced = (n: number): AutomationRunEvent => ({
  type: 'AutomationRunAdvanced',
  data: { ...about(n), waitingAt: [2, 0, 1], variables: [{ name: 'age', value: '42' }] },
})
const ended = (n: number, runId?: string): AutomationRunEvent => ({
  type: 'AutomationRunEnded',
  data: { ...about(n, runId), outcome: 'completed' },
})
const dropped = expect.stringContaining('Nobody answered')
const tell = (n: number, next: Parameters<typeof record>[0]['next'], runId = RUN) =>
  record({ runId, automationId: BOT, message: message(n), next }, AT)

test('a run that asks something waits, and the answer ends it', () => {
  run.given().when(tell(1, asking)).then(started(1), advanced(1))
  run
    .given(started(1), advanced(1))
    .when(tell(2, { outcome: 'completed' }))
    .then(ended(2))
  expect(fold(AutomationRun, [started(1), advanced(1)]).waiting).toMatchObject({
    runId: RUN,
    since: AT,
    ...asking.waiting,
  })
})
test('a run that begins ends the one that waited', () =>
  run
    .given(started(1), advanced(1))
    .when(tell(2, { outcome: 'completed' }, OTHER_RUN))
    .then(
      {
        type: 'AutomationRunEnded',
        data: { runId: RUN, automationId: BOT, outcome: 'failed', reason: dropped, at: AT },
      },
      started(2, OTHER_RUN),
      ended(2, OTHER_RUN),
    ))
test('a message that was handled does nothing, nor does one from before it', () => {
  run
    .given(started(2), ended(2))
    .when(tell(2, asking, OTHER_RUN))
    .then()
  run
    .given(started(2), ended(2))
    .when(tell(1, asking, OTHER_RUN))
    .then()
  run
    .given(started(2), advanced(2))
    .when(drop(message(1), AT))
    .then()
})
test('messages recorded at the same time are told apart', () => {
  const state = fold(AutomationRun, [started(1), ended(1)])
  const twin = { id: id(50), heardAt: later(1) }
  expect(isHandled(state, message(1))).toBe(true)
  expect(isHandled(state, twin)).toBe(false)
  const both = fold(
    AutomationRun,
    [{ type: 'AutomationRunEnded', data: { ...about(1), messageId: twin.id, outcome: 'completed' } }],
    state,
  )
  expect(isHandled(both, twin)).toBe(true)
  expect(isHandled(both, message(1))).toBe(true)
})
test('a run is stopped from outside while it waits, and only then', () => {
  run
    .given(started(1), advanced(1))
    .when(stop('handed_over', 'Manual takeover', later(1), AT))
    .then({
      type: 'AutomationRunEnded',
      data: { runId: RUN, automationId: BOT, outcome: 'handed_over', reason: 'Manual takeover', at: AT },
    })
  run
    .given(started(1), ended(1))
    .when(stop('handed_over', undefined, later(1), AT))
    .then()
})
test('a message that sets off nothing ends the run that cannot take it', () =>
  run
    .given(started(1), advanced(1))
    .when(drop(message(2), AT))
    .then({ type: 'AutomationRunEnded', data: { ...about(2), outcome: 'failed', reason: dropped } }))
