import type { Erasing } from '../write/erase.ts'
import type { Reaction } from './runner.ts'

/** Makes what was deleted unreadable. */
export const eraseDeleted = ({ erase }: Pick<Erasing, 'erase'>): Reaction => ({
  name: 'erase',
  handle: (batch) => erase(batch),
})
