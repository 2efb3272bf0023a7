import { Ajv } from 'ajv'
import { complaints } from '../complaints.ts'
import { failed, IntegrationAnswer, isTextReply, turnOf, type AskIntegration } from '../domain/integration.ts'
import { signedHeaders } from '../domain/sign.ts'
import { storable } from '../domain/storable.ts'
import { withFormats } from '../formats.ts'
import type { Post, PostResult } from '../ports/post.ts'

const EVENT = 'automation.message'
/** One more, and only where the first one came to nothing quickly. */
const ATTEMPTS = 2

// The first complaint is enough: what comes from outside may be wrong in a thousand places.
const ajv = withFormats(new Ajv({ verbose: true }))
const isAnswer = ajv.compile<IntegrationAnswer>(IntegrationAnswer)

type Parts = {
  readonly post: Post
  /** Why a URL given from outside may not be called, in plain words; undefined if it may. */
  readonly refusedUrl: (url: string) => string | undefined
}

/** Asks by a signed POST, and reads the answer. Never throws: whatever goes wrong is an outcome. */
export const createAskIntegration = ({ post, refusedUrl }: Parts): AskIntegration => {
  const turnOfBody = (body: string) => {
    const answer = parsed(body)
    if (answer === undefined) return failed('The answer is not JSON.')
    if (!isAnswer(answer)) {
      const [[field, [problem]] = ['', []]] = Object.entries(complaints(isAnswer.errors ?? []))
      return failed(`The answer is not valid: ${field} ${problem ?? 'is wrong'}.`)
    }
    for (const reply of answer.replies ?? []) {
      const refused = isTextReply(reply) ? undefined : refusedUrl(reply.media_url)
      if (refused !== undefined) return failed(`The answer is not valid: media_url ${refused}.`)
    }
    return turnOf(answer)
  }

  return async ({ integration, instanceId, runId }, question) => {
    const { url, secret, timeout_seconds } = integration
    const timeoutMs = timeout_seconds * 1000
    const body = JSON.stringify({ event: EVENT, ...question })
    for (let attempt = 1; ; attempt++) {
      const headers = signedHeaders({ id: runId, event: EVENT, instanceId, body, secret }, new Date())
      const result = await post(url, headers, body, { timeoutMs, wantsBody: true })
      if (isPassing(result, timeoutMs) && attempt < ATTEMPTS) continue
      if (result.kind === 'failure') return failed(`The integration did not answer: ${result.reason}.`)
      if (result.body === undefined) return failed(`The integration answered with status ${result.status}.`)
      return turnOfBody(result.body)
    }
  }
}

/** Whether it may go better at once: it failed soon, and not because of what was sent. */
const isPassing = (result: PostResult, timeoutMs: number) =>
  result.durationMs < timeoutMs / 2 && (result.kind === 'failure' || result.status >= 500)

/** Nothing but white space says that there is nothing to do; undefined if it is not JSON. */
const parsed = (body: string): unknown => {
  if (body.trim() === '') return {}
  try {
    return JSON.parse(body, (_, value: unknown) => (typeof value === 'string' ? storable(value) : value))
  } catch {
    return undefined
  }
}
