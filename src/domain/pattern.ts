import { RE2JS } from 're2js'
import { foldText } from './fold-text.ts'

/** More of a text is not looked at. */
const TEXT_MAX = 1000

/**
 * Regular expressions of users, in the syntax of RE2: matched in time that grows with the text and never explodes. So
 * there are no backreferences and no looking ahead or behind. Case and accents of text and pattern do not matter.
 */
const compile = (source: string) => RE2JS.compile(withoutAccents(source), RE2JS.CASE_INSENSITIVE)

/** Only accents: a lower-case `\W` would be something else. */
const withoutAccents = (source: string) => source.normalize('NFKD').replace(/\p{M}/gu, '')

/** What is wrong with a pattern, in words for its author; undefined if nothing is. */
export const problemOfPattern = (source: string): string | undefined => {
  try {
    compile(source)
    return undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return `must be a regular expression in the syntax of RE2, without lookaround and backreferences (${reason})`
  }
}

/** Whether a pattern, in which nothing is wrong, is found somewhere in the beginning of a text. */
export const matchesPattern = (source: string, text: string): boolean =>
  compile(source)
    .matcher(Array.from(foldText(text)).slice(0, TEXT_MAX).join(''))
    .find()
