import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldText } from '../../src/domain/fold-text.ts'
import { matchesPattern, problemOfPattern } from '../../src/domain/pattern.ts'

/** Patterns of every form there is, out of few letters, so that they are found now and then. */
const pattern = fc.letrec<{ all: string; one: string; atom: string; group: string }>((tie) => ({
  atom: fc.constantFrom('a', 'b', 'á', '.', '\\d', '\\W', '[ab]', '[^a]', '[b-d1]', '^', '$', '\\b', '\\.'),
  group: tie('all').map((inner) => `(${inner})`),
  one: fc
    .tuple(
      fc.oneof(
        { maxDepth: 3 },
        { weight: 3, arbitrary: tie('atom') },
        { weight: 1, arbitrary: tie('group') },
      ),
      fc.constantFrom('', '', '', '*', '+', '?', '*?', '{2}', '{1,}', '{0,2}'),
    )
    .map(([atom, count]) => (['^', '$', '\\b'].includes(atom) ? atom : atom + count)),
  all: fc
    .array(fc.array(tie('one'), { maxLength: 3 }), { minLength: 1, maxLength: 3 })
    .map((branches) => branches.map((parts) => parts.join('')).join('|')),
})).all
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'Á', '1', '.', ' ', 'é'), maxLength: 12 })

describe('a pattern', () => {
  test('is found where the language itself finds it', () => {
    let found = 0
    fc.assert(
      fc.property(pattern, text, (source, said) => {
        fc.pre(problemOfPattern(source) === undefined)
        const plain = source.normalize('NFKD').replace(/\p{M}/gu, '').replaceAll('\\W', '[^\\w]')
        const own = new RegExp(plain, 'iu').test(foldText(said))
        expect(matchesPattern(source, said), `/${source}/ in "${said}"`).toBe(own)
        if (own) found++
      }),
      { numRuns: 1500 },
    )
    expect(found).toBeGreaterThan(150)
  })
  test.each([
    ['^(oi|olá)\\b', 'Olá, tudo bem?', true],
    ['^(oi|olá)\\b', 'oitenta', false],
    ['\\bsão paulo\\b', 'Moro em SAO PAULO!', true],
    ['^\\d{3}\\.?\\d{3}\\.?\\d{3}-?\\d{2}$', '123.456.789-09', true],
    ['^\\d{3}\\.?\\d{3}\\.?\\d{3}-?\\d{2}$', '123.456.789-0', false],
    ['[áéí]x', 'Ex', true],
    ['👋{2}', 'oi 👋👋', true],
    ['\\p{L}+', '123', false],
    ['pedido (?<number>\\d+)', 'PEDIDO 77', true],
    ['a.c', 'a\nc', false],
    ['', 'anything', true],
  ])('/%s/ in "%s": %s', (source, said, expected) => {
    expect(problemOfPattern(source)).toBeUndefined()
    expect(matchesPattern(source, said)).toBe(expected)
  })
  test.each([
    ['('],
    ['[a'],
    ['a{2,1}'],
    ['*'],
    ['a(?=b)'],
    ['(?<!a)b'],
    ['(a)\\1'],
    ['(?<x>a)\\k<x>'],
    ['a{1001}'],
    ['((a{100}){100}){100}'],
    ['(.?){999}x'],
  ])('/%s/ is refused, and why is said', (source) =>
    expect(problemOfPattern(source)).toMatch(/^must be a regular expression .*\(.+\)$/),
  )
  test.each([
    '(a+)+$',
    '(a|a)*$',
    '(a|aa)+$',
    '(.*)*(.*)*(.*)*x',
    'a?'.repeat(45) + 'a'.repeat(45),
    '((a*)*)*b',
  ])('/%s/ takes no longer than others on a text made to make it explode', (source) => {
    const startedAt = performance.now()
    matchesPattern(source, `${'a'.repeat(1000)}!`)
    expect(performance.now() - startedAt).toBeLessThan(1000)
  })
  test('is looked for in the beginning of a text only', () => {
    expect(matchesPattern('x', `${'a'.repeat(999)}x`)).toBe(true)
    expect(matchesPattern('x', `${'a'.repeat(1000)}x`)).toBe(false)
  })
})
