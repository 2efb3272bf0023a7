import { isUuid } from '../../domain/values.ts'

/**
 * Throws on anything that could lead elsewhere, or twice to the same file: ids are ours, so another one is a fault of this
 * program.
 */
export const mustBeUuid = (id: string) => {
  if (!isUuid(id) || id !== id.toLowerCase()) throw new Error('The id of a file must be a UUID')
}
