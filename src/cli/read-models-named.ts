import { projections } from '../projections/index.ts'
import type { AnyProjection } from '../projections/projection.ts'
import { WrongUsage } from './command.ts'

const all: readonly AnyProjection[] = Object.values(projections)

/** The read models that have these names, all of them if none is named. Throws WrongUsage for one that is not there. */
export const readModelsNamed = (names: readonly string[]): readonly AnyProjection[] => {
  const unknown = names.find((name) => !all.some((one) => one.name === name))
  if (unknown !== undefined)
    throw new WrongUsage(
      `There is no read model ${unknown}. There are: ${all.map(({ name }) => name).join(', ')}.`,
    )
  return all.filter(({ name }) => names.length === 0 || names.includes(name))
}
