import fc from 'fast-check'
import type { Branch, Flow, Step } from '../../src/domain/flow-definition.ts'

const TAG = '550e8400-e29b-41d4-a716-446655440077'
const word = fc.constantFrom('yes', 'no', 'é', 'sim')
const match: fc.Arbitrary<Branch['cases'][number]['match']> = fc.oneof(
  fc.record({
    type: fc.constant('keyword' as const),
    words: fc.array(word, { minLength: 1, maxLength: 2 }),
    match: fc.constantFrom('whole' as const, 'contains' as const, 'starts_with' as const),
  }),
  fc.record({ type: fc.constant('regex' as const), pattern: fc.constantFrom('^y', '\\bno\\b', 's.m', 'x*') }),
)
const template = fc.constantFrom('hi', 'hi {{name}}', '{{text}}', '{{a}} {{b}}', '{{ nobody }}')
const variable = fc.constantFrom('a', 'b', 'name')

const simple: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constant('reply' as const), text: template }),
  fc.record({
    type: fc.constant('media' as const),
    media_url: fc.constant('https://example.com/a.jpg'),
    media_type: fc.constant('image' as const),
    caption: template,
  }),
  fc.record({ type: fc.constant('ask' as const), text: template, save_as: variable }),
  fc.record({ type: fc.constant('tag' as const), add: fc.array(fc.constant(TAG), { maxLength: 1 }) }),
  fc.record({ type: fc.constant('hand_over' as const), reason: fc.constant('enough') }),
  fc.record({ type: fc.constant('end' as const) }),
)
const steps = (depth: number): fc.Arbitrary<Step[]> =>
  fc.array(depth > 0 ? fc.oneof({ weight: 4, arbitrary: simple }, branch(depth)) : simple, { maxLength: 5 })
const branch = (depth: number): fc.Arbitrary<Step> =>
  fc.record(
    {
      type: fc.constant('branch' as const),
      on: variable,
      cases: fc.array(fc.record({ match, steps: steps(depth - 1) }), { maxLength: 3 }),
      otherwise: steps(depth - 1),
    },
    { requiredKeys: ['type', 'cases'] },
  )

/** Flows of every form, set off by anything. */
export const flows: fc.Arbitrary<Flow> = fc.record({
  trigger: fc.constant({ type: 'any' as const }),
  steps: steps(3),
})
export const texts = fc.oneof(word, fc.string({ maxLength: 20 }))
