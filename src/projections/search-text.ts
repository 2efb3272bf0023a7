import { foldText } from '../domain/fold-text.ts'

/** What the text has to match for `like`, its wildcards taken as themselves. */
export const likePattern = (text: string) => `%${foldText(text).replace(/[\\%_]/g, '\\$&')}%`

/** Numbers are written in many ways; where nothing but such signs is given, the digits count. */
export const searched = (text: string) =>
  /^[+\d\s().-]+$/.test(text) && /\d/.test(text) ? text.replace(/\D/g, '') : text.trim()

/** Characters of each name; an index cannot hold names of any length. */
const NAME_MAX = 200

/** What is looked into: names, which are found by their beginnings if they are long, and a number. */
export const searchText = (names: readonly (string | null)[], number: string): string => {
  const folded = names.map((name) =>
    Array.from(foldText(name ?? ''))
      .slice(0, NAME_MAX)
      .join(''),
  )
  return [...folded, number].filter((part) => part !== '').join(' ')
}
