import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Type } from 'typebox'
import { notFound } from '../domain/errors.ts'
import { rawBytes, rawText, reply, route, type Route } from './route.ts'

const require = createRequire(import.meta.url)

/** Everything from our own host; Swagger UI's style sheet holds its icons as data. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Zapini API</title>
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png" />
    <link rel="stylesheet" href="/docs/swagger-ui.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`
const start = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null,
})
`
const assets = ['favicon-32x32.png', 'swagger-ui.css', 'swagger-ui-bundle.js', 'start.js'] as const
type Asset = (typeof assets)[number]
const contentTypes: Readonly<Record<Asset, string>> = {
  'favicon-32x32.png': 'image/png',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'start.js': 'text/javascript; charset=utf-8',
}

const load = async (name: Asset) => {
  const plain =
    name === 'start.js'
      ? Buffer.from(start)
      : await readFile(join(dirname(require.resolve('swagger-ui-dist/package.json')), name))
  return { plain, zipped: await promisify(gzip)(plain) }
}

/** `GET /docs`: the API documentation as a page that works without any other host. */
export const docsRoutes = (access: 'public' | 'operator'): readonly Route[] => {
  const loaded = new Map<Asset, ReturnType<typeof load>>()
  const common = { method: 'GET', tag: 'Service', access, limit: 'none', undocumented: true } as const
  return [
    route({
      ...common,
      path: '/docs',
      operationId: 'showDocs',
      summary: 'API documentation',
      successDescription: 'The page.',
      responses: { 200: rawText('text/html; charset=utf-8') },
      handle: async () => reply(200, html, { 'Content-Security-Policy': contentSecurityPolicy }),
    }),
    route({
      ...common,
      path: '/docs/:asset',
      operationId: 'showDocsAsset',
      summary: 'Files of the API documentation',
      params: Type.Object({ asset: Type.String() }),
      successDescription: 'The file.',
      responses: { 200: rawBytes('application/octet-stream') },
      async handle({ params, request }) {
        const asset = assets.find((name) => name === params.asset)
        if (!asset) throw notFound('This file')
        const file = loaded.get(asset) ?? load(asset)
        loaded.set(asset, file)
        const { plain, zipped } = await file
        const zip = /\bgzip\b/.test(request.header('accept-encoding') ?? '')
        return reply(200, zip ? zipped : plain, {
          'Content-Type': contentTypes[asset],
          'Cache-Control': 'public, max-age=86400',
          Vary: 'Accept-Encoding',
          ...(zip && { 'Content-Encoding': 'gzip' }),
        })
      },
    }),
  ]
}
