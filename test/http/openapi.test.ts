import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openapi } from '../../src/http/openapi.ts'
import { jsonOf, startToys, toyRoutes, type Json } from './support.ts'

const document: Json = JSON.parse(
  JSON.stringify(
    openapi(toyRoutes(), {
      version: '1.2.3',
      publicUrl: 'https://api.example.com',
    }),
  ),
)
const walk = (value: unknown, visit: (key: string, value: unknown) => void): void => {
  if (typeof value !== 'object' || value === null) return
  for (const [key, item] of Object.entries(value)) {
    visit(key, item)
    walk(item, visit)
  }
}

describe('the OpenAPI document', () => {
  it('is version 3.1, names the server, and has every route under its path and method', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(document.info?.version).toBe('1.2.3')
    expect(document.servers).toEqual([{ url: 'https://api.example.com' }])
    expect(Object.keys(document.paths ?? {})).toContain('/toys/{id}')
    expect(document.paths?.['/send']?.post?.operationId).toBe('send')
  })
  it('has only references that lead somewhere', () => {
    const references: string[] = []
    walk(document, (key, value) => key === '$ref' && references.push(String(value)))
    expect(references.length).toBeGreaterThan(10)
    for (const reference of references)
      expect(
        reference
          .slice(2)
          .split('/')
          .reduce<Json | undefined>((node, part) => node?.[part], document),
        reference,
      ).toBeDefined()
  })
  it('has only schemas that are valid JSON Schema 2020-12', () => {
    const ajv = new Ajv2020({ strict: false })
    addFormats.default(ajv)
    const schemas: object[] = []
    walk(
      document,
      (key, value) => key === 'schema' && typeof value === 'object' && value && schemas.push(value),
    )
    expect(schemas.length).toBeGreaterThan(20)
    for (const schema of schemas) expect(ajv.validateSchema(schema), JSON.stringify(schema)).toBe(true)
  })
  it('describes parameters, lists with commas, defaults', () => {
    expect(document.paths?.['/toys/{id}']?.get?.parameters).toMatchObject([
      { name: 'id', in: 'path', required: true },
      { name: 'limit', in: 'query', required: false, schema: { type: 'integer', maximum: 100, default: 15 } },
      { name: 'unread', in: 'query', required: false },
      { name: 'tag_ids', in: 'query', style: 'form', explode: false },
    ])
  })
  it('describes bodies with their other names and examples', () => {
    expect(document.paths?.['/send']?.post?.requestBody).toMatchObject({
      required: true,
      description: '`recipient` is also accepted as `number`, `to`.',
      content: { 'application/json': { example: { recipient: '5511999999999', message: 'Hello' } } },
    })
  })
  it('lists the errors that access and shape make possible, and those that a route names', () => {
    const statuses = (path: string, method: string) =>
      Object.keys(document.paths?.[path]?.[method]?.responses ?? {})
    expect(statuses('/send', 'post')).toEqual([
      '200',
      '202',
      '400',
      '401',
      '403',
      '409',
      '413',
      '415',
      '422',
      '429',
      '500',
      '503',
    ])
    expect(statuses('/export', 'get')).toEqual(['200', '500'])
    expect(statuses('/toys/{id}', 'get')).toContain('404')
  })
  it('says who may call: bearer, operator, signature, nobody in particular', () => {
    const security = (path: string, method: string) => document.paths?.[path]?.[method]?.security
    expect(security('/send', 'post')).toEqual([{ bearer: [] }])
    expect(security('/tenants', 'get')).toEqual([{ operator: [] }])
    expect(security('/hook', 'post')).toEqual([{ bearer: [] }, { signature: [] }])
    expect(security('/export', 'get')).toEqual([])
    expect(document.paths?.['/toys']?.post?.description).toContain('not open to the token of an instance')
  })
  it('names the content type of answers that are not JSON', () => {
    expect(Object.keys(document.paths?.['/export']?.get?.responses?.['200']?.content ?? {})).toEqual([
      'text/csv; charset=utf-8',
    ])
  })
})

describe('served', () => {
  let toys: Awaited<ReturnType<typeof startToys>>
  beforeAll(async () => {
    toys = await startToys()
  })
  afterAll(() => toys.stop())

  it('GET /openapi.json is the document of what is served, health included', async () => {
    const response = await fetch(`${toys.url}/openapi.json`)
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
    const served = await jsonOf(response)
    expect(served.openapi).toBe('3.1.0')
    expect(Object.keys(served.paths ?? {})).toEqual(expect.arrayContaining(['/send', '/health', '/metrics']))
    expect(Object.keys(served.paths ?? {})).not.toContain('/docs')
  })
  it('GET /docs loads nothing from another host, and its policy forbids it', async () => {
    const response = await fetch(`${toys.url}/docs`)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toMatch(/https?:|\*|unsafe/)
    const page = await response.text()
    const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = '']) => link)
    expect(links).toHaveLength(4)
    for (const link of links) {
      expect(link).toMatch(/^\/docs\//)
      const asset = await fetch(`${toys.url}${link}`)
      expect(asset.status).toBe(200)
      expect(asset.headers.get('cache-control')).toContain('max-age')
      expect((await asset.arrayBuffer()).byteLength).toBeGreaterThan(100)
    }
  })
  it('files beside those of the page are not served', async () => {
    for (const name of ['package.json', '..%2fpackage.json', 'swagger-ui.js'])
      expect((await fetch(`${toys.url}/docs/${name}`)).status).toBe(404)
  })
})
