import { RE2JS } from 're2js'
import { foldText } from './fold-text.ts'
import { beginningOf } from './storable.ts'

/** More of a text is not looked at. */
export const MATCHED_MAX = 1000
/** Instructions of a compiled pattern. Each may be tried at every character: at 4000, a match takes 200 ms. */
const SIZE_MAX = 1000
const COMPILED_KEPT = 1000

/**
 * Regular expressions of users, in the syntax of RE2: matched in time that grows with the text and never explodes. So
 * there are no backreferences and no looking ahead or behind. Case and accents of text and pattern do not matter.
 */
const compile = (source: string): RE2JS => {
  const known = compiled.get(source)
  if (known) return known
  const fresh = RE2JS.compile(withoutAccents(source), RE2JS.CASE_INSENSITIVE)
  if (compiled.size === COMPILED_KEPT) compiled.clear()
  compiled.set(source, fresh)
  return fresh
}
/** Compiling may take longer than matching. */
const compiled = new Map<string, RE2JS>()

/** Only accents: a lower-case `\W` would be something else. */
const withoutAccents = (source: string) => source.normalize('NFKD').replace(/\p{M}/gu, '')

/** How much work a pattern is, which must be a right one. */
export const sizeOfPattern = (source: string): number => compile(source).programSize()

/** What is wrong with a pattern, in words for its author; undefined if nothing is. */
export const problemOfPattern = (source: string): string | undefined => {
  try {
    const size = sizeOfPattern(source)
    return size > SIZE_MAX
      ? `must be a regular expression that repeats less (its size is ${size}, and at most ${SIZE_MAX})`
      : undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return `must be a regular expression in the syntax of RE2, without lookaround and backreferences (${reason})`
  }
}

/** Whether a pattern, in which nothing is wrong, is found somewhere in the beginning of a text. */
export const matchesPattern = (source: string, text: string): boolean =>
  compile(source)
    .matcher(beginningOf(foldText(beginningOf(text, MATCHED_MAX)), MATCHED_MAX))
    .find()
