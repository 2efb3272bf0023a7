import { Type, type Static, type TProperties, type TUnsafe } from 'typebox'
import { invalid } from './errors.ts'
import { foldText } from './fold-text.ts'
import { MATCHED_MAX, matchesPattern, problemOfPattern, sizeOfPattern } from './pattern.ts'
import { beginningOf } from './storable.ts'
import { literals, Uuid } from './values.ts'

/** In all, those within branches included. */
const STEPS_MAX = 100
/** A branch within a branch within a branch. */
const BRANCH_DEPTH = 3
const CASES_MAX = 20
/** Of all patterns: each of them may be tried with every message, while all else waits. */
const PATTERNS_SIZE_MAX = 4000
/** Messages that go out in a row, before somebody has to say something. */
export const REPLIES_MAX = 10
export const REASON_MAX = 500

/** A misspelt field is a mistake to be told, not something to be kept. */
const exactly = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false })

/** The names in this document are those of the API: it is kept as it was written. */
export const MediaReply = {
  media_url: Type.String({ minLength: 1, maxLength: 2048 }),
  media_type: literals(['image', 'video', 'audio', 'document']),
  caption: Type.Optional(Type.String({ maxLength: 1024 })),
}

// --- What a text has to be like ------------------------------------------------------------------

const Keyword = exactly({
  type: Type.Literal('keyword'),
  words: Type.Array(Type.String({ minLength: 1, maxLength: 100, pattern: '\\S' }), {
    minItems: 1,
    maxItems: 50,
  }),
  match: literals(['whole', 'contains', 'starts_with'], {
    description:
      'The whole text is the word, contains it, or starts with it; case and accents do not matter; the first 1000 characters are looked at',
  }),
})
const Regex = exactly({
  type: Type.Literal('regex'),
  pattern: Type.String({
    minLength: 1,
    maxLength: 200,
    description:
      'Found anywhere in the first 1000 characters; case and accents do not matter; no backreferences, no looking ahead or behind',
  }),
})
const Match = Type.Union([Keyword, Regex])
type Match = Static<typeof Match>

/** In which case, accents and white space at the ends or in rows do not count. */
const words = (text: string) => foldText(text).trim().replace(/\s+/g, ' ')

export const matches = (match: Match, text: string): boolean => {
  if (match.type === 'regex') return matchesPattern(match.pattern, text)
  const said = words(beginningOf(text, MATCHED_MAX))
  return match.words.map(words).some((word) => {
    switch (match.match) {
      case 'whole':
        return said === word
      case 'contains':
        return said.includes(word)
      case 'starts_with':
        return said.startsWith(word)
    }
  })
}

// --- Steps ---------------------------------------------------------------------------------------

const Template = Type.String({
  minLength: 1,
  maxLength: 4096,
  description: '{{name}}, {{text}} and the {{variables}} that were asked for are filled in',
})
const Variable = Type.String({ pattern: '^[a-z][a-z0-9_]{0,30}$' })
const Tags = Type.Array(Uuid, { maxItems: 20 })

const simpleSteps = [
  exactly({ type: Type.Literal('reply'), text: Template }),
  exactly({ type: Type.Literal('media'), ...MediaReply }),
  exactly({ type: Type.Literal('ask'), text: Template, save_as: Variable }),
  exactly({ type: Type.Literal('tag'), add: Type.Optional(Tags), remove: Type.Optional(Tags) }),
  exactly({
    type: Type.Literal('hand_over'),
    reason: Type.Optional(Type.String({ maxLength: REASON_MAX })),
  }),
  exactly({ type: Type.Literal('end') }),
] as const

export type Branch = {
  type: 'branch'
  /** A variable; without it, the text that came last. */
  on?: string
  cases: { match: Match; steps: Step[] }[]
  otherwise?: Step[]
}
export type Step = Static<(typeof simpleSteps)[number]> | Branch

const stepsOf = (depth: number): TUnsafe<Step[]> => {
  const branch = () =>
    exactly({
      type: Type.Literal('branch'),
      on: Type.Optional(Variable),
      cases: Type.Array(exactly({ match: Match, steps: stepsOf(depth - 1) }), { maxItems: CASES_MAX }),
      otherwise: Type.Optional(stepsOf(depth - 1)),
    })
  // A schema of finite depth for a type that has none.
  return Type.Unsafe<Step[]>(
    Type.Array(Type.Union([...simpleSteps, ...(depth > 0 ? [branch()] : [])]), { maxItems: STEPS_MAX }),
  )
}

export const Flow = exactly({
  trigger: Type.Union([
    exactly({ type: Type.Literal('any') }),
    exactly({ type: Type.Literal('first_message') }),
    Keyword,
    Regex,
  ]),
  steps: stepsOf(BRANCH_DEPTH),
})
export type Flow = Static<typeof Flow>

/** The ways on from a branch, as a path names them: its cases, and last what is done otherwise. */
export const waysOf = ({ cases, otherwise = [] }: Branch): readonly Step[][] => [
  ...cases.map(({ steps }) => steps),
  otherwise,
]

/** Whether a message sets off the flow. */
export const isTriggered = ({ trigger }: Flow, text: string, isFirst: boolean): boolean => {
  switch (trigger.type) {
    case 'any':
      return true
    case 'first_message':
      return isFirst
    case 'keyword':
    case 'regex':
      return matches(trigger, text)
  }
}

// --- What no schema can tell ---------------------------------------------------------------------

type Placed = { readonly step: Step; readonly at: string }

/** Every step, at whatever depth, and where it stands: `steps.2.cases.0.steps.1`. */
export function* stepsWithin(steps: readonly Step[], place = 'steps'): Generator<Placed> {
  for (const [n, step] of steps.entries()) {
    const at = `${place}.${n}`
    yield { step, at }
    if (step.type !== 'branch') continue
    for (const [k, one] of step.cases.entries()) yield* stepsWithin(one.steps, `${at}.cases.${k}.steps`)
    if (step.otherwise) yield* stepsWithin(step.otherwise, `${at}.otherwise`)
  }
}

type Row = { readonly longest: number; readonly open: number }

/** The most messages that can go out in a row; `open` go out since the last wait. */
const rowOf = (steps: readonly Step[], before = 0): Row => {
  let [longest, open] = [before, before]
  for (const step of steps) {
    if (step.type === 'branch') {
      const rows = waysOf(step).map((way) => rowOf(way, open))
      longest = Math.max(longest, ...rows.map((row) => row.longest))
      open = Math.max(...rows.map((row) => row.open))
    } else if (step.type === 'reply' || step.type === 'media' || step.type === 'ask') {
      open++
      longest = Math.max(longest, open)
      if (step.type === 'ask') open = 0
    }
  }
  return { longest, open }
}

/** Refuses a flow that fits the schema and still cannot be run; `place` is where it stands in the request. */
export const mustBeRunnable = ({ trigger, steps }: Flow, place: string) => {
  let size = 0
  const mustBeMatchable = ({ pattern }: { type: string; pattern?: string }, at: string) => {
    if (pattern === undefined) return
    const problem = problemOfPattern(pattern)
    if (problem !== undefined) throw invalid(`${place}.${at}.pattern`, problem)
    size += sizeOfPattern(pattern)
    if (size > PATTERNS_SIZE_MAX)
      throw invalid(
        `${place}.steps`,
        'must have fewer or simpler regular expressions: it takes too long to match all of them',
      )
  }
  mustBeMatchable(trigger, 'trigger')
  let count = 0
  for (const { step, at } of stepsWithin(steps)) {
    if (++count > STEPS_MAX) throw invalid(`${place}.steps`, `must have at most ${STEPS_MAX} steps in all`)
    if (step.type === 'branch')
      step.cases.forEach(({ match }, k) => mustBeMatchable(match, `${at}.cases.${k}.match`))
  }
  if (rowOf(steps).longest > REPLIES_MAX)
    throw invalid(
      `${place}.steps`,
      `must not send more than ${REPLIES_MAX} messages in a row: ask in between`,
    )
}
