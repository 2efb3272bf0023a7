import { foldText } from './fold-text.ts'

/** Characters of a word; a longer run of letters and digits is several words. */
const RUN = /[\p{L}\p{N}\p{M}]{1,64}/gu
/** A character may fold to several, and not all of them letters: `½` is two words. */
const WORD = /[\p{L}\p{N}]{1,64}/gu

/** A word as it is searched for, and where the text has it. */
export type Word = { readonly word: string; readonly start: number; readonly end: number }

/** The words of a text in any script, one after the other: runs of letters and digits, folded. */
export function* wordsIn(text: string): Generator<Word> {
  for (const run of text.matchAll(RUN))
    for (const [word] of foldText(run[0]).matchAll(WORD))
      yield { word, start: run.index, end: run.index + run[0].length }
}

/** What a search asks of a text: these words, one right after the other. */
export type SearchTerm = {
  readonly words: readonly string[]
  /** The text must not have them. */
  readonly excluded: boolean
  /** The last word may go on. */
  readonly isOpen: boolean
}

const TERM = /(?<minus>-?)(?:"(?<quoted>[^"]*)(?<end>"?)|(?<plain>\S+))/gu
/** As phones write them. */
const QUOTES = /[“”„«»]/g
/** Too many words begin with a single letter. */
const OPEN_MIN = 2

/**
 * What people type, understood as far as it goes: all words, `"these together"`, `-not this`. What hangs together
 * without a space, such as an address, belongs together. The last word may be unfinished.
 */
export const searchTerms = (text: string): readonly SearchTerm[] => {
  const terms = [...text.replace(QUOTES, '"').matchAll(TERM)].flatMap(({ groups = {} }) => {
    const words = [...wordsIn(groups['quoted'] ?? groups['plain'] ?? '')].map(({ word }) => word)
    return words.length === 0
      ? []
      : [{ words, excluded: groups['minus'] === '-', closed: groups['end'] === '"' }]
  })
  return terms.map(({ words, excluded, closed }, n) => ({
    words,
    excluded,
    isOpen: n === terms.length - 1 && !excluded && !closed && (words.at(-1) ?? '').length >= OPEN_MIN,
  }))
}

/** Whether a word of a text is one of those searched for. */
export const isSought = (terms: readonly SearchTerm[], word: string) =>
  terms.some(
    ({ words, excluded, isOpen }) =>
      !excluded && (words.includes(word) || (isOpen && word.startsWith(words.at(-1) ?? word))),
  )
