/** Text as PostgreSQL can store it: well-formed and without NUL. */
export const storable = (text: string) => text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\uFFFD')

/** The beginning of a text, in whole characters, which take two places at most. */
export const beginningOf = (text: string, max: number) =>
  text.length <= max
    ? text
    : Array.from(text.slice(0, 2 * max))
        .slice(0, max)
        .join('')
