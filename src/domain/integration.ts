import { Type, type Static } from 'typebox'
import type { Turn } from './flow.ts'
import { MediaReply, REASON_MAX, REPLIES_MAX } from './flow-definition.ts'
import { Uuid } from './values.ts'

export const TIMEOUT_SECONDS = 10
export const TIMEOUT_MAX_SECONDS = 30

const Url = Type.String({ minLength: 1, maxLength: 2048 })
const Timeout = Type.Integer({ minimum: 1, maximum: TIMEOUT_MAX_SECONDS })
/** What stands behind whsec_ is read as base64 by those who check the signature. */
const Secret = Type.String({
  secret: true,
  minLength: 8,
  maxLength: 256,
  pattern: '^(?!whsec_)|^whsec_[A-Za-z0-9+/]{4,}={0,2}$',
})

/** A system elsewhere that is told of each message, and whose answer is what to reply. */
export const Integration = Type.Object(
  { url: Url, secret: Secret, timeout_seconds: Timeout },
  { additionalProperties: false },
)
export type Integration = Static<typeof Integration>

/** As it is given: the secret is made up, or stays as it was, if it is left out. */
export const GivenIntegration = Type.Object(
  { url: Url, secret: Type.Optional(Secret), timeout_seconds: Type.Optional(Timeout) },
  { additionalProperties: false },
)
export type GivenIntegration = Static<typeof GivenIntegration>

/** What an integration may answer; an empty answer means that there is nothing to do. */
export const IntegrationAnswer = Type.Object({
  replies: Type.Optional(
    Type.Array(
      Type.Union([
        Type.Object({ text: Type.String({ minLength: 1, maxLength: 65_536 }) }),
        // A text that says nothing may stand beside a file; any other makes it a text.
        Type.Object({
          ...MediaReply,
          text: Type.Optional(Type.Union([Type.Null(), Type.Literal('')])),
        }),
      ]),
      { maxItems: REPLIES_MAX },
    ),
  ),
  tag_ids: Type.Optional(Type.Array(Uuid, { maxItems: 20 })),
  hand_over: Type.Optional(Type.Union([Type.Boolean(), Type.String({ maxLength: REASON_MAX })])),
})
export type IntegrationAnswer = Static<typeof IntegrationAnswer>

type Reply = NonNullable<IntegrationAnswer['replies']>[number]
export const isTextReply = (reply: Reply): reply is Extract<Reply, { text: string }> & { text: string } =>
  Boolean(reply.text)

/** Tells an integration something, and answers what is to be done; a failure is an outcome, too. */
export type AskIntegration = (
  to: { readonly integration: Integration; readonly instanceId: string; readonly runId: string },
  question: object,
) => Promise<Turn>

export const failed = (reason: string): Turn => ({ actions: [], next: { outcome: 'failed', reason } })

/** What an answer asks for. */
export const turnOf = ({ replies = [], tag_ids = [], hand_over }: IntegrationAnswer): Turn => {
  const sends = replies.map((reply, n) => {
    const step = String(n)
    if (isTextReply(reply))
      return { type: 'send', step, content: { kind: 'text', text: reply.text } as const } as const
    const { media_type: kind, media_url: url, caption } = reply
    const content = { kind, url, ...(caption !== undefined && { caption }) }
    return { type: 'send', step, content } as const
  })
  const tags = tag_ids.length > 0 ? [{ type: 'tag', add: tag_ids, remove: [] } as const] : []
  const reason = typeof hand_over === 'string' && hand_over !== '' ? { reason: hand_over } : {}
  const handsOver = hand_over !== undefined && hand_over !== false
  return {
    actions: [...sends, ...tags],
    next: handsOver ? { outcome: 'handed_over', ...reason } : { outcome: 'completed' },
  }
}
