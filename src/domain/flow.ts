import type { Content } from './content.ts'
import { beginningOf } from './storable.ts'
import { isTriggered, matches, waysOf, type Flow, type Step } from './flow-definition.ts'

const VALUE_MAX = 1000
const TEXT_MAX = 65_536

/** What came in, as automation sees it. */
export type Heard = { readonly text: string; readonly name?: string | undefined }

/** A run that waits for an answer: where, and what it knows by now. */
export type Waiting = {
  /** Place of the question: index of a step, then by turns the way taken there and the index within it. */
  readonly at: readonly number[]
  readonly variables: Readonly<Record<string, string>>
}

/** `step` tells one from another within a run, however often it is decided. */
export type Action =
  | { readonly type: 'send'; readonly step: string; readonly content: Content }
  | { readonly type: 'tag'; readonly add: readonly string[]; readonly remove: readonly string[] }

export const runOutcomes = ['completed', 'handed_over', 'failed'] as const
export type RunOutcome = (typeof runOutcomes)[number]
export type Next =
  | { readonly outcome: 'waiting'; readonly waiting: Waiting }
  | { readonly outcome: RunOutcome; readonly reason?: string | undefined }

/** What one message brings about, and how the run then stands. */
export type Turn = { readonly actions: readonly Action[]; readonly next: Next }

/** Steps that are being gone through; those within a branch stand above the ones that it is in. */
type Frame = { readonly steps: readonly Step[]; readonly path: readonly number[]; index: number }

const fill = (template: string, values: ReadonlyMap<string, string>) =>
  beginningOf(
    template.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name: string) => values.get(name) ?? ''),
    TEXT_MAX,
  )

/** Goes through the steps until one waits, ends it or none is left. There are no loops, so it always comes to an end. */
const walk = (frames: Frame[], heard: Heard, variables: Waiting['variables']): Turn => {
  const actions: Action[] = []
  const values = new Map(
    Object.entries({ name: shortened(heard.name ?? ''), text: said(heard), ...variables }),
  )
  const say = (step: string, template: string) => {
    const text = fill(template, values)
    if (text.trim() !== '') actions.push({ type: 'send', step, content: { kind: 'text', text } })
  }

  for (let frame = frames.at(-1); frame; frame = frames.at(-1)) {
    const index = frame.index++
    const step = frame.steps[index]
    const at = [...frame.path, index]
    switch (step?.type) {
      case undefined:
        frames.pop()
        break
      case 'reply':
        say(at.join('.'), step.text)
        break
      case 'media': {
        const { media_type: kind, media_url: url, caption } = step
        const content = { kind, url, ...(caption !== undefined && { caption: fill(caption, values) }) }
        actions.push({ type: 'send', step: at.join('.'), content })
        break
      }
      case 'ask':
        say(at.join('.'), step.text)
        return { actions, next: { outcome: 'waiting', waiting: { at, variables } } }
      case 'tag':
        actions.push({ type: 'tag', add: step.add ?? [], remove: step.remove ?? [] })
        break
      case 'branch': {
        const text = step.on === undefined ? heard.text : (values.get(step.on) ?? '')
        const found = step.cases.findIndex(({ match }) => matches(match, text))
        const way = found < 0 ? step.cases.length : found
        frames.push({ steps: waysOf(step)[way] ?? [], path: [...at, way], index: 0 })
        break
      }
      case 'hand_over':
        return { actions, next: { outcome: 'handed_over', reason: step.reason } }
      case 'end':
        return { actions, next: { outcome: 'completed' } }
    }
  }
  return { actions, next: { outcome: 'completed' } }
}

const shortened = (value: string) => beginningOf(value, VALUE_MAX)
const said = ({ text }: Heard) => shortened(text)

/** The first turn of a flow; undefined if the message does not set it off. */
export const begin = (flow: Flow, heard: Heard, isFirst: boolean): Turn | undefined =>
  isTriggered(flow, heard.text, isFirst)
    ? walk([{ steps: flow.steps, path: [], index: 0 }], heard, {})
    : undefined

/** The turn after an answer. Undefined if the flow was changed, and no question stands where the run waits. */
export const resume = (flow: Flow, { at, variables }: Waiting, heard: Heard): Turn | undefined => {
  const frames: Frame[] = []
  let steps: readonly Step[] = flow.steps
  for (let n = 0; n < at.length; n += 2) {
    const [index = -1, way] = [at[n], at[n + 1]]
    const step = steps[index]
    frames.push({ steps, path: at.slice(0, n), index: index + 1 })
    if (way === undefined)
      return step?.type === 'ask'
        ? walk(frames, heard, { ...variables, [step.save_as]: said(heard) })
        : undefined
    if (step?.type !== 'branch') return undefined
    steps = waysOf(step)[way] ?? []
  }
  return undefined
}
