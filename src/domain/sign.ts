import { createHmac, timingSafeEqual } from 'node:crypto'

const STANDARD_PREFIX = 'whsec_'

const hmac = (key: string | Buffer, text: string | Buffer) => createHmac('sha256', key).update(text)

/** Key of the Standard Webhooks signature: what stands behind `whsec_` in base64, else the secret as it is. */
const standardKey = (secret: string) =>
  secret.startsWith(STANDARD_PREFIX)
    ? Buffer.from(secret.slice(STANDARD_PREFIX.length), 'base64')
    : Buffer.from(secret)

/**
 * Headers of one attempt at a delivery, signed twice with the same secret: as the API reference has it, and as
 * Standard Webhooks 1.0.0 has it (with the time of this attempt, against replay). `id` stays the same in every attempt.
 * `body` is the exact text sent. It must come from JSON.stringify, so that a receiver who parses and stringifies it
 * before checking gets the same text; JSON from elsewhere may order integer-like keys in another way.
 */
export const signedHeaders = (
  delivery: {
    id: string
    event: string
    instanceId: string
    body: string
    secret: string
    /** It is made again because somebody asked for it, not because an attempt failed. */
    again?: boolean
  },
  now: Date,
): Record<string, string> => {
  const { id, event, instanceId, body, secret, again } = delivery
  const timestamp = String(Math.floor(now.getTime() / 1000))
  return {
    'Content-Type': 'application/json',
    'User-Agent': 'Zapini-Webhook/1.0',
    'X-Webhook-Event': event,
    'X-Instance-UUID': instanceId,
    ...(again && { 'X-Webhook-Redelivery': 'true' }),
    'X-Webhook-Signature': hmac(secret, body).digest('hex'),
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${hmac(standardKey(secret), `${id}.${timestamp}.${body}`).digest('base64')}`,
  }
}

/**
 * Whether `signature` is the hex HMAC-SHA256 of the body, compared in constant time. Anything else, of whatever
 * length, is no; so is everything under an empty secret, which anybody could sign with.
 */
export const verifySignature = (body: Buffer, signature: string, secret: string): boolean => {
  const expected = Buffer.from(hmac(secret, body).digest('hex'))
  const given = Buffer.from(signature)
  return secret !== '' && given.length === expected.length && timingSafeEqual(given, expected)
}
