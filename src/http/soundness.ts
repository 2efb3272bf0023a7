import type { Route } from './route.ts'

/** Throws if two routes are one and the same, or a path and its parameters disagree: mistakes in a route table. */
export const assertSound = (routes: readonly Route[]): void => {
  const seen = new Set<string>()
  for (const { operationId, method, path, params } of routes) {
    for (const key of [operationId, `${method} ${path.replace(/:\w+/g, ':')}`]) {
      if (seen.has(key)) throw new Error(`Two routes are ${key}.`)
      seen.add(key)
    }
    const [inPath, inSchema] = [pathParameters(path), Object.keys(params?.properties ?? {})]
    if (inPath.toSorted().join() !== inSchema.toSorted().join())
      throw new Error(
        `${operationId}: the parameters of ${path} are not those of its schema (${inSchema.join(', ')}).`,
      )
  }
}

const pathParameters = (path: string): string[] => [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name)
