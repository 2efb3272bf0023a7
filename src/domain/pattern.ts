import { foldText } from './fold-text.ts'

/** More of a text is not looked at. */
const TEXT_MAX = 1000
/** Bounds the work for each character of a text. */
const INSTRUCTIONS_MAX = 500
const COUNT_MAX = 100

/**
 * Regular expressions of users, matched in time that grows with the text and never explodes: all ways through the
 * pattern are followed side by side (Thompson's construction), none is tried and taken back. So there are no
 * backreferences and no looking ahead or behind. Case and accents of text and pattern do not matter.
 */
type Node =
  | { readonly kind: 'read'; readonly reads: (character: string) => boolean }
  | { readonly kind: 'check'; readonly holds: (before: string, after: string) => boolean }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'either'; readonly branches: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly min: number; readonly max: number }

type Instruction =
  | Extract<Node, { kind: 'read' | 'check' }>
  /** Goes on at each of these places. */
  | { readonly kind: 'go'; readonly to: number[] }
  | { readonly kind: 'done' }

class Unsupported extends Error {}

const tokens = {
  group: /\((?:\?:|\?<\w+>)?(?!\?)/y,
  quantifier: /(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??/y,
  escape: /\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[A-Za-z]|[^])/uy,
  class: /\[(?:\\[^]|[^\]\\])*\]/uy,
  any: /[^]/uy,
}

const partOfClass = new RegExp(`${tokens.escape.source}|[^]`, 'gu')

const isWord = (character: string) => /^\w$/.test(character)
const checks: Readonly<Record<string, (before: string, after: string) => boolean>> = {
  '^': (before) => before === '',
  $: (_, after) => after === '',
  '\\b': (before, after) => isWord(before) !== isWord(after),
  '\\B': (before, after) => isWord(before) === isWord(after),
}

/** Something that stands for one character, by the rules of the language itself. */
const oneOf = (source: string): Node => {
  const folded = source.replace(partOfClass, (part) => (part.startsWith('\\') ? part : foldText(part)))
  const one = new RegExp(`^${folded}$`, 'iu')
  return { kind: 'read', reads: (character) => one.test(character) }
}

const literal = (character: string): Node => ({
  kind: 'all',
  parts: Array.from(foldText(character), (own) => ({ kind: 'read', reads: (read) => read === own })),
})

const parse = (source: string): Node => {
  let at = 0
  const take = (token: RegExp) => {
    token.lastIndex = at
    const found = token.exec(source)
    if (found) at = token.lastIndex
    return found
  }

  const either = (): Node => {
    const branches = [all()]
    while (source[at] === '|') {
      at++
      branches.push(all())
    }
    return { kind: 'either', branches }
  }
  const all = (): Node => {
    const parts: Node[] = []
    while (at < source.length && source[at] !== '|' && source[at] !== ')') parts.push(repeated())
    return { kind: 'all', parts }
  }
  const repeated = (): Node => {
    const part = atom()
    const found = take(tokens.quantifier)
    if (!found) return part
    const [text, least, comma, most] = found
    if (text.startsWith('*')) return { kind: 'repeat', part, min: 0, max: Infinity }
    if (text.startsWith('+')) return { kind: 'repeat', part, min: 1, max: Infinity }
    if (text.startsWith('?')) return { kind: 'repeat', part, min: 0, max: 1 }
    const min = Number(least)
    const max = comma === undefined ? min : most ? Number(most) : Infinity
    if (min > COUNT_MAX || (max > COUNT_MAX && max !== Infinity))
      throw new Unsupported(`must not repeat more than ${COUNT_MAX} times`)
    return { kind: 'repeat', part, min, max }
  }
  const atom = (): Node => {
    if (take(tokens.group)) {
      const inner = either()
      at++
      return inner
    }
    const [text = ''] = take(tokens.class) ?? take(tokens.escape) ?? take(tokens.any) ?? []
    const holds = checks[text]
    if (holds) return { kind: 'check', holds }
    if (text === '(') throw new Unsupported('must not look ahead or behind: (?=, (?!, (?<=, (?<!')
    if (/^\\[1-9k]/.test(text)) throw new Unsupported('must not refer back to a group: \\1, \\k')
    return text === '.' || text.startsWith('[') || text.startsWith('\\') ? oneOf(text) : literal(text)
  }
  return either()
}

const compile = (source: string): readonly Instruction[] => {
  // The language itself says what is a regular expression, and in which words it is not.
  new RegExp(source, 'u')
  const program: Instruction[] = []
  const push = <I extends Instruction>(instruction: I): I => {
    if (program.length === INSTRUCTIONS_MAX) throw new Unsupported('is too large: use fewer repetitions')
    program.push(instruction)
    return instruction
  }
  const go = (...to: number[]) => push({ kind: 'go', to })

  const emit = (node: Node): void => {
    switch (node.kind) {
      case 'read':
      case 'check':
        push(node)
        return
      case 'all':
        node.parts.forEach(emit)
        return
      case 'either': {
        const choice = go()
        const ends = node.branches.map((branch) => {
          choice.to.push(program.length)
          emit(branch)
          return go()
        })
        for (const { to } of ends) to.push(program.length)
        return
      }
      case 'repeat':
        emitRepeat(node)
    }
  }
  const emitRepeat = ({ part, min, max }: Extract<Node, { kind: 'repeat' }>) => {
    for (let n = 0; n < min; n++) {
      const before = program.length
      emit(part)
      if (program.length === before) return
    }
    const choices: { to: number[] }[] = []
    const optional = max === Infinity ? 1 : max - min
    for (let n = 0; n < optional; n++) {
      const from = program.length
      choices.push(go(from + 1))
      emit(part)
      if (max === Infinity) go(from)
    }
    for (const { to } of choices) to.push(program.length)
  }
  emit(parse(source))
  push({ kind: 'done' })
  return program
}

/** What is wrong with a pattern, in words for its author; undefined if nothing is. */
export const problemOfPattern = (source: string): string | undefined => {
  try {
    compile(source)
    return undefined
  } catch (error) {
    if (error instanceof Unsupported) return error.message
    if (error instanceof SyntaxError) return `must be a regular expression (${error.message})`
    throw error
  }
}

/** Whether a pattern, in which nothing is wrong, is found somewhere in the beginning of a text. */
export const matchesPattern = (source: string, text: string): boolean => {
  const program = compile(source)
  const characters = Array.from(foldText(text)).slice(0, TEXT_MAX)
  let reading: number[] = []
  for (let n = 0; n <= characters.length; n++) {
    const [before = '', after = ''] = [characters[n - 1], characters[n]]
    const reached = new Set<number>()
    // A match may begin at every character.
    const waiting = [0, ...reading]
    reading = []
    for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
      const instruction = program[place]
      if (!instruction || reached.has(place)) continue
      reached.add(place)
      if (instruction.kind === 'done') return true
      if (instruction.kind === 'go') waiting.push(...instruction.to)
      else if (instruction.kind === 'check') {
        if (instruction.holds(before, after)) waiting.push(place + 1)
      } else if (after !== '' && instruction.reads(after)) reading.push(place + 1)
    }
  }
  return false
}
