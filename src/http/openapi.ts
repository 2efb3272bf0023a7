import { Type, type TObject, type TSchema } from 'typebox'
import { errorCodes, type ErrorCode } from '../domain/errors.ts'
import { statusOf } from './errors.ts'
import { formsOf, type Route } from './route.ts'

export type About = { readonly version: string; readonly publicUrl?: string }

type Fields = Record<string, unknown>

/** The OpenAPI 3.1 document of a route table, as a plain JSON value. */
export const openapi = (routes: readonly Route[], { version, publicUrl }: About): unknown => {
  const documented = routes.filter(({ undocumented }) => !undocumented)
  const paths: Record<string, Fields> = {}
  for (const route of documented)
    (paths[route.path.replace(/:(\w+)/g, '{$1}')] ??= {})[route.method.toLowerCase()] = operation(route)
  return plain({
    openapi: '3.1.0',
    info: { title: 'Zapini API', version, description: introduction },
    servers: [{ url: publicUrl ?? '/' }],
    tags: [...new Set(documented.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: { securitySchemes, schemas: { Error: errorSchema }, responses: errorResponses() },
  })
}

const introduction = `Self-hosted WhatsApp messaging backend. Every path is served bare and under \`/api/v1\`.

Authenticate with \`Authorization: Bearer {token}\`: the token of a user, from \`POST /auth/login\`, or the token of an
instance (\`sk_…\`), which reaches that instance only. Answers carry \`X-Request-Id\`; send your own to find it in the log. Where requests are limited, answers carry
\`X-RateLimit-Limit\`, \`X-RateLimit-Remaining\` and \`X-RateLimit-Reset\` (Unix seconds).

Fields of a body that a call does not know are left alone. A call that can be asked something in its query refuses names
that it does not know: a filter that was misspelt would ask for everything.

\`/asyncapi.json\` describes the events: records in Kafka and the bodies of webhooks.`

const securitySchemes = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'Token of a user (`1|…`) or of an instance (`sk_…`).',
  },
  operator: { type: 'http', scheme: 'bearer', description: 'The OPERATOR_TOKEN of the deployment.' },
  signature: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Webhook-Signature',
    description: 'HMAC-SHA256 of the body’s bytes with the instance’s secret, hex.',
  },
}

const operation = (route: Route): Fields => ({
  operationId: route.operationId,
  tags: [route.tag],
  summary: route.summary,
  description:
    [route.description, scopeNote(route), aliasNote(route, 'query')].filter(Boolean).join('\n\n') ||
    undefined,
  security: securityOf(route),
  parameters: [...parameters('path', route.params), ...parameters('query', route.query)],
  requestBody: route.upload
    ? { required: true, content: { 'multipart/form-data': { schema: route.upload } } }
    : route.body && requestBody(route, route.body),
  responses: responses(route),
})

const securityOf = ({ access }: Route): Fields[] => {
  switch (access) {
    case 'public':
      return []
    case 'operator':
      return [{ operator: [] }]
    case 'signed-hook':
      return [{ bearer: [] }, { signature: [] }]
    default:
      return [{ bearer: [] }]
  }
}

const scopeNote = ({ access, scope }: Route): string | undefined => {
  if (access === 'public' || access === 'operator') return undefined
  const permission = access === 'signed-hook' ? 'inbound:write' : access
  return `Needs the permission \`${permission}\`${scope === 'account' ? '; not open to the token of an instance' : ''}.`
}

const fieldsOf = (schema: TSchema | undefined): Record<string, TSchema> =>
  Type.IsObject(schema) ? schema.properties : {}

const aliasNote = ({ aliases = {}, query, body }: Route, part: 'query' | 'body'): string | undefined => {
  const known = fieldsOf(part === 'query' ? query : body)
  const notes = Object.entries(aliases)
    .filter(([name]) => name in known)
    .map(
      ([name, others]) =>
        `\`${name}\` is also accepted as ${others.map((other) => `\`${other}\``).join(', ')}.`,
    )
  return notes.join(' ') || undefined
}

const parameters = (place: 'path' | 'query', schema: TObject | undefined): Fields[] =>
  Object.entries(fieldsOf(schema)).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || !Type.IsOptional(property),
    description: 'description' in property ? property.description : undefined,
    schema: property,
    ...('type' in property && property.type === 'array' && { style: 'form', explode: false }),
  }))

const requestBody = (route: Route, schema: TSchema): Fields => ({
  required: 'required' in schema && Array.isArray(schema.required) && schema.required.length > 0,
  description: aliasNote(route, 'body'),
  content: { 'application/json': { schema, example: route.examples?.body } },
})

const responses = (route: Route): Fields => {
  const own = Object.entries(route.responses).map(([status, schema], index): [string, Fields] => [
    status,
    {
      description: Number(status) < 300 ? route.successDescription : `Status ${status}.`,
      content: Object.fromEntries(
        Object.entries(formsOf(schema)).map(([contentType, form]) => [
          contentType,
          { schema: form, example: index === 0 ? route.examples?.response : undefined },
        ]),
      ),
    },
  ])
  const shared = [...errorStatuses(route)].map((status): [string, Fields] => [
    String(status),
    { $ref: `#/components/responses/${errorName(status)}` },
  ])
  return { ...Object.fromEntries(shared), ...Object.fromEntries(own) }
}

/** Statuses of the errors that a route's access and shape make possible, and of those that it names itself. */
const errorStatuses = ({
  access,
  params,
  query,
  body,
  limit,
  upload,
  refusals = [],
}: Route): ReadonlySet<number> => {
  const codes: ErrorCode[] = [...refusals, 'INTERNAL_ERROR']
  if (access !== 'public') codes.push('UNAUTHENTICATED', 'RATE_LIMITED')
  if (access !== 'public' && access !== 'operator') codes.push('FORBIDDEN', 'UNAVAILABLE')
  const names = { ...fieldsOf(query), ...fieldsOf(body) }
  if (params || 'instance_id' in names) codes.push('NOT_FOUND')
  if (params || query || body) codes.push('VALIDATION_FAILED')
  if (body || upload) codes.push('MALFORMED_REQUEST', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE')
  if (limit !== 'none') codes.push('RATE_LIMITED')
  return new Set(codes.map((code) => statusOf[code]))
}

const errorName = (status: number) => `Error${status}`

const errorSchema = Type.Object({
  success: Type.Literal(false),
  error: Type.Object({
    code: Type.Enum([...errorCodes]),
    message: Type.String(),
    details: Type.Optional(
      Type.Object(
        {},
        { description: 'With VALIDATION_FAILED: for each field (`steps.0.text`), what has to be done.' },
      ),
    ),
    conversation_id: Type.Optional(
      Type.Integer({ description: 'With AUTOMATION_ACTIVE: the conversation.' }),
    ),
  }),
})

const meanings: Readonly<Record<number, string>> = {
  400: 'The request cannot be read.',
  401: 'The token is missing or not valid.',
  403: 'The token does not permit this, or automation is active.',
  404: 'There is no such thing, or not for this token.',
  405: 'The address exists, but not with this method.',
  409: 'The present state does not allow it.',
  413: 'The body or file is too large.',
  415: 'The body is not JSON, or the file is of a kind that is not taken.',
  416: 'The range lies outside of the file.',
  422: 'The request breaks a rule; `details` names the fields.',
  429: 'Too many requests; `Retry-After` says when to come back.',
  500: 'A fault of the server; `details.request_id` finds it in the log.',
  503: 'Something that the server depends on is out of reach; `Retry-After` says when to come back.',
}

const retryAfter = { 'Retry-After': { schema: { type: 'integer' }, description: 'Seconds to wait.' } }
const errorHeaders: Readonly<Record<number, Fields>> = {
  429: {
    ...retryAfter,
    'X-RateLimit-Limit': { schema: { type: 'integer' }, description: 'Requests allowed per window.' },
    'X-RateLimit-Remaining': { schema: { type: 'integer' }, description: 'Requests left in this window.' },
    'X-RateLimit-Reset': { schema: { type: 'integer' }, description: 'End of the window, in Unix seconds.' },
  },
  503: retryAfter,
}

const errorResponses = (): Fields =>
  Object.fromEntries(
    [...new Set(Object.values(statusOf))].map((status) => [
      errorName(status),
      {
        description: `${meanings[status] ?? ''} Codes: ${codesOf(status).join(', ')}.`,
        headers: errorHeaders[status],
        content: {
          'application/json': { schema: { $ref: '#/components/schemas/Error' }, example: exampleOf(status) },
        },
      },
    ]),
  )

const codesOf = (status: number) => errorCodes.filter((code) => statusOf[code] === status)

const exampleOf = (status: number): Fields => ({
  success: false,
  error: {
    code: codesOf(status)[0],
    message: meanings[status],
    details: status === 422 ? { recipient: ['is required'] } : {},
  },
})

/** Without `undefined`, and without the domain's marks of fields that are sealed in the log. */
export const plain = (document: Fields): unknown => {
  const text = JSON.stringify(document, (key, value: unknown) =>
    (key === 'personal' || key === 'secret') && value === true ? undefined : value,
  )
  return JSON.parse(text)
}
