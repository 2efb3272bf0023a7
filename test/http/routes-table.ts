import type { Client, Json } from '../support/client.ts'

export type ServedRoute = {
  readonly operationId: string
  readonly method: string
  /** As in `/instances/{id}/qr`. */
  readonly path: string
  readonly isForOperator: boolean
  readonly isForAnybody: boolean
  readonly query: readonly string[]
  readonly body: Json
  readonly example: Json
}

/** Every documented route, as the server itself tells: a route that is added later is in the tests that use this. */
export const servedRoutes = async (client: Client): Promise<ServedRoute[]> => {
  const document = (await client.get('/openapi.json')).body
  return Object.entries<Json>(document.paths).flatMap(([path, operations]) =>
    Object.entries<Json>(operations).map(([method, operation]) => {
      const content = operation.requestBody?.content['application/json']
      return {
        operationId: operation.operationId,
        method: method.toUpperCase(),
        path,
        isForOperator: operation.security.some((way: Json) => 'operator' in way),
        isForAnybody: operation.security.length === 0,
        query: operation.parameters
          .filter((parameter: Json) => parameter.in === 'query')
          .map(({ name }: Json) => name),
        body: content?.schema,
        example: content?.example,
      }
    }),
  )
}
