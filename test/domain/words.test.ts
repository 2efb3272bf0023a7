import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { isSought, searchTerms, wordsIn } from '../../src/domain/words.ts'
import { queryOf, vectorOf } from '../../src/projections/message-search.ts'
import { testPool } from '../support/database.ts'

const words = (text: string) => [...wordsIn(text)].map(({ word }) => word)

describe('the words of a text', () => {
  test.each([
    ['São João, às 10h30!', ['sao', 'joao', 'as', '10h30']],
    ['STRASSE straße', ['strasse', 'straße']],
    ['ana@example.com', ['ana', 'example', 'com']],
    ['Привет, Ёлка', ['привет', 'елка']],
    ['مرحبا بالعالم', ['مرحبا', 'بالعالم']],
    ['𝐇𝐞𝐥𝐥𝐨 ½ ﬁm', ['hello', '1', '2', 'fim']],
    ['👍 … --', []],
  ])('%s', (text, expected) => expect(words(text)).toEqual(expected))

  it('stand where they are said to stand', () => {
    const text = 'Olá, São João!'
    expect([...wordsIn(text)].map(({ start, end }) => text.slice(start, end))).toEqual(['Olá', 'São', 'João'])
  })
  it('are short, however long a run of letters is', () => {
    expect(words('x'.repeat(150)).map((word) => word.length)).toEqual([64, 64, 22])
  })
})

describe('what people type', () => {
  const term = (words: string[], change = {}) => ({ words, excluded: false, isOpen: false, ...change })
  test.each([
    ['bom dia', [term(['bom']), term(['dia'], { isOpen: true })]],
    ['"bom dia"', [term(['bom', 'dia'])]],
    ['“bom dia”', [term(['bom', 'dia'])]],
    ['"bom di', [term(['bom', 'di'], { isOpen: true })]],
    [
      'pix -"não veio" -hoje',
      [term(['pix']), term(['nao', 'veio'], { excluded: true }), term(['hoje'], { excluded: true })],
    ],
    ['ana@example.com', [term(['ana', 'example', 'com'], { isOpen: true })]],
    ['pix !', [term(['pix'], { isOpen: true })]],
    ['a', [term(['a'])]],
    ['- "" & | ! ( ) : * \\ \'', []],
  ])('%s', (text, expected) => expect(searchTerms(text)).toEqual(expected))

  it('says which words of a text are meant', () => {
    const terms = searchTerms('são -ontem paga')
    expect(['sao', 'pagamento', 'ontem', 'saopaulo'].map((word) => isSought(terms, word))).toEqual([
      true,
      true,
      false,
      false,
    ])
  })
})

describe('in PostgreSQL', () => {
  const matcher = async () => {
    const pool = await testPool(1)
    return async (text: string, query: string) => {
      const found = queryOf(searchTerms(query))
      const sql = 'select $1::tsvector @@ $2::tsquery as matches'
      const { rows } = await pool.query<{ matches: boolean }>(sql, [vectorOf(text), found ?? ''])
      return rows[0]?.matches ?? false
    }
  }
  const anyText = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.lorem(),
  )

  it('every word of any text finds it, and so does a beginning of two letters or more', async () => {
    const matches = await matcher()
    await fc.assert(
      fc.asyncProperty(anyText, fc.nat(), async (text, length) => {
        for (const { word, start, end } of wordsIn(text)) {
          expect(await matches(text, word), word).toBe(true)
          expect(await matches(text, text.slice(start, end)), 'as it was written').toBe(true)
          const beginning = Array.from(word)
            .slice(0, 2 + (length % 64))
            .join('')
          expect(await matches(text, beginning), beginning).toBe(true)
          expect(await matches(text, `-${word}`)).toBe(false)
        }
      }),
      { numRuns: 200 },
    )
  })
  it('words that follow each other in any text find it in quotes', async () => {
    const matches = await matcher()
    await fc.assert(
      fc.asyncProperty(anyText, fc.nat(), async (text, n) => {
        const all = words(text)
        const from = all.length === 0 ? 0 : n % all.length
        fc.pre(all.length > from)
        expect(await matches(text, `"${all.slice(from, from + 5).join(' ')}"`)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })
  it('no query is a fault', async () => {
    const matches = await matcher()
    const signs = fc.string({ unit: fc.constantFrom(...'"-\'\\&|!():*<> aé“”0'), maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(fc.oneof(signs, anyText), async (query) => {
        expect(await matches('a b', query)).toBeTypeOf('boolean')
      }),
      { numRuns: 500 },
    )
  })
  it.each([
    ['Pagamento não veio ontem', 'nao pagamento', true],
    ['Pagamento não veio ontem', '"nao veio"', true],
    ['Pagamento não veio ontem', '"veio nao"', false],
    ['Pagamento não veio ontem', 'pagamento -ontem', false],
    ['Pagamento não veio ontem', 'pagamento -hoje', true],
    ['Pagamento não veio ontem', 'veio pag', true],
    ['Pagamento não veio ontem', 'pag veio', false],
    ['Pagamento não veio ontem', '-hoje', false],
    ['write to ana@example.com', 'ana@exa', true],
    ['ana wrote an example', 'ana@exa', false],
  ])('%s for %s: %s', async (text, query, expected) => {
    const matches = await matcher()
    expect(await matches(text, query)).toBe(expected)
  })
  it('the longest text with the longest words is stored', async () => {
    const matches = await matcher()
    const text = Array.from({ length: 3000 }, (_, n) => String.fromCodePoint(0x20000 + n).repeat(64)).join(
      ' ',
    )
    expect(await matches(text, String.fromCodePoint(0x20000).repeat(64))).toBe(true)
  })
})
