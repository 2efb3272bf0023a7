import { Type } from 'typebox'
import { asyncapi, type AboutEvents } from './asyncapi.ts'
import { docsRoutes } from './docs-page.ts'
import { openapi } from './openapi.ts'
import { rawText, reply, route, type Route } from './route.ts'
import { now } from './times.ts'

export type Infrastructure = {
  ready(): Promise<{ readonly ready: boolean; readonly body: object }>
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>
}
export type PublicPage = 'docs' | 'metrics'
export const serviceTag = 'Service'

const common = { method: 'GET', tag: serviceTag, limit: 'none' } as const

/** Health, readiness and metrics. A page that is not public needs the operator's token. */
export const infrastructureRoutes = (
  { ready, metrics }: Infrastructure,
  publicPages: readonly PublicPage[],
): readonly Route[] => [
  route({
    ...common,
    path: '/health',
    operationId: 'getHealth',
    summary: 'Whether the server runs',
    access: 'public',
    successDescription: 'It runs. `uptime` is in seconds.',
    responses: {
      200: Type.Object({
        status: Type.Literal('ok'),
        uptime: Type.Integer(),
        timestamp: Type.String({ format: 'date-time' }),
      }),
    },
    handle: async () => reply(200, { status: 'ok', uptime: Math.floor(process.uptime()), timestamp: now() }),
  }),
  route({
    ...common,
    path: '/ready',
    operationId: 'getReadiness',
    summary: 'Whether the server can do its work',
    description:
      'For load balancers and orchestrators: 503 while it starts, or cannot reach what it depends on.',
    access: 'public',
    successDescription: 'It can.',
    responses: { 200: Type.Object({}), 503: Type.Object({}) },
    async handle() {
      const state = await ready()
      return reply(state.ready ? 200 : 503, state.body)
    },
  }),
  route({
    ...common,
    path: '/metrics',
    operationId: 'getMetrics',
    summary: 'Metrics for Prometheus',
    access: accessOf('metrics', publicPages),
    successDescription: 'All metrics.',
    responses: { 200: rawText('text/plain; version=0.0.4; charset=utf-8') },
    async handle() {
      const { body, contentType } = await metrics()
      return reply(200, body, { 'Content-Type': contentType })
    },
  }),
]

/** The documentation of the routes given, as a document and as a page, and that of the events. */
export const documentationRoutes = (
  documented: readonly Route[],
  { publicPages, ...about }: { publicPages: readonly PublicPage[]; publicUrl?: string } & AboutEvents,
): readonly Route[] => {
  const access = accessOf('docs', publicPages)
  const document = (path: string, operationId: string, summary: string, make: () => unknown) => {
    let text: string | undefined
    return route({
      ...common,
      path,
      operationId,
      summary,
      access,
      undocumented: true,
      successDescription: 'The document.',
      responses: { 200: rawText('application/json; charset=utf-8') },
      handle: async () => reply(200, (text ??= JSON.stringify(make()))),
    })
  }
  return [
    ...docsRoutes(access),
    document('/openapi.json', 'getOpenapi', 'This documentation as an OpenAPI 3.1 document', () =>
      openapi(documented, about),
    ),
    document('/asyncapi.json', 'getAsyncapi', 'The events as an AsyncAPI 3.0 document', () =>
      asyncapi(about),
    ),
  ]
}

const accessOf = (page: PublicPage, publicPages: readonly PublicPage[]) =>
  publicPages.includes(page) ? 'public' : 'operator'
