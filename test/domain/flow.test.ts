import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { begin, resume, type Heard, type Turn, type Waiting } from '../../src/domain/flow.ts'
import { mustBeRunnable, REPLIES_MAX, type Flow, type Step } from '../../src/domain/flow-definition.ts'
import { flows, texts } from '../support/flows.ts'

const any = { type: 'any' } as const
const keyword = (match: 'whole' | 'contains' | 'starts_with', ...words: string[]) =>
  ({ type: 'keyword', words, match }) as const
const flow = (...steps: Step[]): Flow => ({ trigger: any, steps })
const reply = (text: string): Step => ({ type: 'reply', text })

const sent = (turn: Turn | undefined) =>
  turn?.actions.map((action) => {
    if (action.type === 'tag') return action
    return action.content.kind === 'text' ? action.content.text : action.content
  })
const start = (of: Flow, text: string, name?: string) => begin(of, { text, name }, false)
const waitingOf = (turn: Turn | undefined): Waiting => {
  if (turn?.next.outcome !== 'waiting') throw new Error('It does not wait')
  return turn.next.waiting
}

describe('a flow is set off', () => {
  const sets = (trigger: Flow['trigger'], text: string, isFirst = false) =>
    begin({ trigger, steps: [] }, { text }, isFirst) !== undefined
  test('by any message', () => expect(sets(any, '')).toBe(true))
  test('by the first message alone', () => {
    expect(sets({ type: 'first_message' }, 'x', true)).toBe(true)
    expect(sets({ type: 'first_message' }, 'x', false)).toBe(false)
  })
  test.each([
    ['whole', '  ÓLÁ ', true],
    ['whole', 'olá você', false],
    ['contains', 'e então: ola!', true],
    ['starts_with', 'Olá, você', true],
    ['starts_with', 'e olá', false],
  ] as const)('by a word, whatever its accents and case: %s in "%s" is %s', (match, text, expected) =>
    expect(sets(keyword(match, 'nada', 'Olá'), text)).toBe(expected),
  )
  test('by a word in the beginning of a text only', () => {
    expect(sets(keyword('contains', 'x'), `${'a'.repeat(999)}x`)).toBe(true)
    expect(sets(keyword('contains', 'x'), `${'a'.repeat(1000)}x`)).toBe(false)
  })
  test('by a pattern', () => {
    expect(sets({ type: 'regex', pattern: '^PEDIDO \\d+$' }, 'pedido 12')).toBe(true)
    expect(sets({ type: 'regex', pattern: '^PEDIDO \\d+$' }, 'pedido doze')).toBe(false)
  })
})

describe('a flow', () => {
  test('replies with name, text and answers filled in, and with nothing where there is nothing', () => {
    const asks = flow(
      reply('Hi {{name}}, you said "{{ text }}"{{unknown}}'),
      { type: 'ask', text: 'How old?', save_as: 'age' },
      reply('{{age}} is fine, {{name}}'),
      reply('{{unknown}}'),
    )
    const first = start(asks, 'hello', 'Ann')
    expect(sent(first)).toEqual(['Hi Ann, you said "hello"', 'How old?'])
    const then = resume(asks, waitingOf(first), { text: '42', name: 'Ann' })
    expect(sent(then)).toEqual(['42 is fine, Ann'])
    expect(then?.next).toEqual({ outcome: 'completed' })
  })
  test('fills in no more of a name than of a text, however long people call themselves', () => {
    const turn = start(flow(reply('{{name}}'.repeat(500))), 'x', 'n'.repeat(900_000))
    expect(sent(turn)).toEqual(['n'.repeat(65_536)])
    expect(sent(start(flow(reply('{{name}}')), 'x', 'n'.repeat(900_000)))).toEqual(['n'.repeat(1000)])
  })
  test('sends media, tags, and hands over with a reason', () => {
    const turn = start(
      flow(
        {
          type: 'media',
          media_url: 'https://example.com/a.pdf',
          media_type: 'document',
          caption: '{{name}}',
        },
        { type: 'tag', add: ['t1'] },
        { type: 'hand_over', reason: 'wants a person' },
        reply('never said'),
      ),
      'x',
      'Ann',
    )
    expect(sent(turn)).toEqual([
      { kind: 'document', url: 'https://example.com/a.pdf', caption: 'Ann' },
      { type: 'tag', add: ['t1'], remove: [] },
    ])
    expect(turn?.next).toEqual({ outcome: 'handed_over', reason: 'wants a person' })
  })
  test('goes the way that fits, comes back behind the branch, and waits within it', () => {
    const menu = flow(
      { type: 'ask', text: 'Sales or help?', save_as: 'wish' },
      {
        type: 'branch',
        on: 'wish',
        cases: [
          { match: keyword('contains', 'sales'), steps: [reply('Sales!')] },
          {
            match: { type: 'regex', pattern: 'help|ajuda' },
            steps: [{ type: 'ask', text: 'With what?', save_as: 'topic' }, reply('About {{topic}}')],
          },
        ],
        otherwise: [reply('I see'), { type: 'end' }],
      },
      reply('Bye'),
    )
    const asked = waitingOf(start(menu, 'hello'))
    expect(sent(resume(menu, asked, { text: 'the SALES team' }))).toEqual(['Sales!', 'Bye'])
    expect(sent(resume(menu, asked, { text: 'hm' }))).toEqual(['I see'])
    const inside = resume(menu, asked, { text: 'Ajuda!' })
    expect(sent(inside)).toEqual(['With what?'])
    expect(waitingOf(inside)).toEqual({ at: [1, 1, 0], variables: { wish: 'Ajuda!' } })
    const last = resume(menu, waitingOf(inside), { text: 'bills' })
    expect(sent(last)).toEqual(['About bills', 'Bye'])
  })
  test('that was changed does not go on where no question stands any more', () => {
    const waiting = waitingOf(start(flow({ type: 'ask', text: '?', save_as: 'a' }), 'x'))
    expect(resume(flow(reply('new')), waiting, { text: 'y' })).toBeUndefined()
    expect(resume(flow(), waiting, { text: 'y' })).toBeUndefined()
    expect(resume(flow(), { at: [], variables: {} }, { text: 'y' })).toBeUndefined()
  })
  test('keeps of a long answer its beginning, in whole characters', () => {
    const asks = flow({ type: 'ask', text: '?', save_as: 'a' }, reply('{{a}}'))
    const turn = resume(asks, waitingOf(start(asks, 'x')), { text: '👋'.repeat(2000) })
    expect(sent(turn)).toEqual(['👋'.repeat(1000)])
  })
})

describe('whatever the flow and whatever is said', () => {
  const runnable = flows.filter((one) => {
    try {
      mustBeRunnable(one, 'definition')
      return true
    } catch {
      return false
    }
  })
  /** The turns of a whole conversation, until the run ends or nothing more is said. */
  const turnsOf = (of: Flow, said: readonly Heard[]) => {
    const turns: Turn[] = []
    let waiting: Waiting | undefined
    for (const heard of said) {
      const turn = waiting ? resume(of, waiting, heard) : begin(of, heard, false)
      if (!turn) throw new Error('The flow has stopped answering')
      turns.push(turn)
      if (turn.next.outcome !== 'waiting') break
      waiting = turn.next.waiting
    }
    return turns
  }
  const said = fc.array(
    texts.map((text) => ({ text, name: 'Ann' })),
    { minLength: 1, maxLength: 150 },
  )
  const countOf = (steps: readonly Step[]): number => JSON.stringify(steps).split('"type":"ask"').length - 1

  test('a message brings about a bounded number of messages', () =>
    fc.assert(
      fc.property(runnable, said, (of, all) => {
        for (const { actions } of turnsOf(of, all))
          expect(actions.filter(({ type }) => type === 'send').length).toBeLessThanOrEqual(REPLIES_MAX)
      }),
    ))
  test('a run ends after at most as many answers as it has questions', () =>
    fc.assert(
      fc.property(runnable, said, (of, all) => {
        const turns = turnsOf(of, all)
        expect(turns.length).toBeLessThanOrEqual(countOf(of.steps) + 1)
        expect(turns.length === all.length || turns.at(-1)?.next.outcome !== 'waiting').toBe(true)
      }),
    ))
  test('the same turn is decided again in the same way, and no step sends twice in a run', () =>
    fc.assert(
      fc.property(runnable, said, (of, all) => {
        const turns = turnsOf(of, all)
        expect(turnsOf(of, all)).toEqual(turns)
        const steps = turns.flatMap(({ actions }) =>
          actions.flatMap((action) => (action.type === 'send' ? [action.step] : [])),
        )
        expect(new Set(steps).size).toBe(steps.length)
      }),
    ))
  test('what waits can be stored as JSON and taken up from there', () =>
    fc.assert(
      fc.property(runnable, texts, texts, (of, one, other) => {
        const [turn] = turnsOf(of, [{ text: one }])
        if (turn?.next.outcome !== 'waiting') return
        const stored = JSON.parse(JSON.stringify(turn.next.waiting)) as Waiting
        expect(resume(of, stored, { text: other })).toEqual(resume(of, turn.next.waiting, { text: other }))
      }),
    ))
})

describe('a flow is refused', () => {
  const problemOf = (of: Flow) => {
    try {
      mustBeRunnable(of, 'definition')
      return undefined
    } catch (error) {
      return (error as { details: Record<string, string[]> }).details
    }
  }
  const replies = (count: number) => Array.from({ length: count }, () => reply('x'))
  const ask: Step = { type: 'ask', text: '?', save_as: 'a' }
  test('if it has more than 100 steps in all', () => {
    const within = (count: number): Step => ({ type: 'branch', cases: [], otherwise: asks(count) })
    const asks = (count: number) => Array.from({ length: count }, () => ask)
    expect(problemOf(flow(...asks(50), within(49)))).toBeUndefined()
    expect(problemOf(flow(...asks(50), within(50)))).toEqual({
      'definition.steps': ['must have at most 100 steps in all'],
    })
  })
  test('if it sends more than 10 messages in a row, on whatever way through its branches', () => {
    const branch: Step = {
      type: 'branch',
      cases: [{ match: keyword('whole', 'x'), steps: replies(4) }],
      otherwise: [ask],
    }
    expect(problemOf(flow(...replies(3), branch, ...replies(3)))).toBeUndefined()
    expect(problemOf(flow(...replies(3), branch, ...replies(4)))?.['definition.steps']).toBeDefined()
    expect(problemOf(flow(...replies(10), ask))?.['definition.steps']).toBeDefined()
    expect(problemOf(flow(...replies(9), ask, ...replies(10)))).toBeUndefined()
  })
  test('if its patterns together are too large to be matched with every message', () => {
    const cases = (count: number) =>
      Array.from({ length: count }, () => ({
        match: { type: 'regex' as const, pattern: '(.?){200}x' },
        steps: [],
      }))
    expect(problemOf(flow({ type: 'branch', cases: cases(4) }))).toBeUndefined()
    expect(problemOf(flow({ type: 'branch', cases: cases(6) }))?.['definition.steps']).toBeDefined()
  })
  test('if one of its patterns cannot be matched, and is told where', () => {
    expect(problemOf({ trigger: { type: 'regex', pattern: '(' }, steps: [] })).toHaveProperty([
      'definition.trigger.pattern',
    ])
    const inner: Step = {
      type: 'branch',
      cases: [{ match: { type: 'regex', pattern: '\\1(a)' }, steps: [] }],
    }
    expect(problemOf(flow(reply('x'), { type: 'branch', cases: [], otherwise: [inner] }))).toHaveProperty([
      'definition.steps.1.otherwise.0.cases.0.match.pattern',
    ])
  })
})
