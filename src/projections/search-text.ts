import { foldText } from '../domain/fold-text.ts'

/** What the text has to match for `like`, its wildcards taken as themselves. */
export const likePattern = (text: string) => `%${foldText(text).replace(/[\\%_]/g, '\\$&')}%`

/** Numbers are written in many ways; where nothing but such signs is given, the digits count. */
export const searched = (text: string) =>
  /^[+\d\s().-]+$/.test(text) && /\d/.test(text) ? text.replace(/\D/g, '') : text.trim()
