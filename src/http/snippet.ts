import { isSought, wordsIn, type SearchTerm, type Word } from '../domain/words.ts'
import { escapeHtml } from './html.ts'

/** Characters shown before the first word that was sought, and in all; whole words, so a few more or less. */
const BEFORE = 60
const LENGTH = 200

/** The part of a text around the first word that was sought, as HTML: escaped, and what was sought in `<mark>`. */
export const snippet = (text: string, terms: readonly SearchTerm[]): string => {
  const shown = wordsAround(text, terms)
  const [first, last] = [shown.at(0), shown.at(-1)]
  if (!first || !last) return escapeHtml(beginningOf(text))
  const start = first.start <= BEFORE ? 0 : first.start
  const end = text.length - last.end <= BEFORE ? text.length : last.end
  let html = start > 0 ? '… ' : ''
  let at = start
  for (const { word, start: from, end: to } of shown) {
    // Two words of one place, as of ½, are marked once.
    if (from < at || !isSought(terms, word)) continue
    html += `${escapeHtml(text.slice(at, from))}<mark>${escapeHtml(text.slice(from, to))}</mark>`
    at = to
  }
  return `${html}${escapeHtml(text.slice(at, end))}${end < text.length ? ' …' : ''}`
}

/** The first word that was sought, a few before it and more behind it; none if it is not there. */
const wordsAround = (text: string, terms: readonly SearchTerm[]): readonly Word[] => {
  let around: Word[] = []
  let found = false
  for (const word of wordsIn(text)) {
    if (found && word.end - (around[0]?.start ?? 0) > LENGTH) break
    around.push(word)
    found ||= isSought(terms, word.word)
    if (!found) around = around.filter(({ start }) => word.end - start <= BEFORE)
  }
  return found ? around : []
}

/** Not half of a character that takes two places. */
const beginningOf = (text: string) =>
  Array.from(text.slice(0, 2 * LENGTH))
    .slice(0, LENGTH)
    .join('')
