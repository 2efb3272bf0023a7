import { createHmac, timingSafeEqual } from 'node:crypto'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { signedHeaders, verifySignature } from '../../src/domain/sign.ts'

const delivery = {
  id: '0190f5fe-7c00-7a00-8000-000000000001',
  event: 'message.received',
  instanceId: '550e8400-e29b-41d4-a716-446655440000',
  body: '{"text":"olá 👋"}',
  secret: 'your_webhook_secret',
}
const now = new Date()
/** Those that JSON, HTML or UTF-8 treat in ways of their own. */
const character = fc.constantFrom(...'a7"\\/<é👋\u2028\ud800\0\u007f')

/** The check of the API reference's Node example, word for word but for express. */
const referenceAccepts = (parsedBody: unknown, signature: string, secret: string) => {
  const payload = JSON.stringify(parsedBody)
  const expected = createHmac('sha256', secret).update(payload).digest('hex')
  return timingSafeEqual(Buffer.from(signature), Buffer.from(expected))
}

describe('the headers of a delivery', () => {
  it('are those of the API reference and of Standard Webhooks', () => {
    expect(signedHeaders(delivery, new Date('2025-01-15T10:30:00.999Z'))).toEqual({
      'Content-Type': 'application/json',
      'User-Agent': 'Zapini-Webhook/1.0',
      'X-Webhook-Event': 'message.received',
      'X-Instance-UUID': '550e8400-e29b-41d4-a716-446655440000',
      // printf '{"text":"olá 👋"}' | openssl dgst -sha256 -hmac your_webhook_secret
      'X-Webhook-Signature': '33d0820579084b87288eb34a8b530c1b7b6bd730666a9f764d6e7609bbd88976',
      'webhook-id': '0190f5fe-7c00-7a00-8000-000000000001',
      'webhook-timestamp': '1736937000',
      // printf '{id}.1736937000.{"text":"olá 👋"}' | openssl dgst -sha256 -hmac your_webhook_secret -binary | base64
      'webhook-signature': 'v1,k2G836Z/0sS4LKcP8vZIUYO9XvmBHUgTEpLcvmOm3Qs=',
    })
  })

  it("pass the reference's Node example, whatever JSON the body is", () => {
    const keys = fc.oneof(fc.string(), fc.nat().map(String), fc.constant('__proto__'))
    const values = fc.oneof(
      fc.jsonValue({ stringUnit: character }),
      fc.dictionary(keys, fc.jsonValue({ maxDepth: 1 })),
    )
    fc.assert(
      fc.property(values, fc.string({ minLength: 1, unit: character }), (value, secret) => {
        const body = JSON.stringify(value)
        const headers = signedHeaders({ ...delivery, body, secret }, now)
        expect(JSON.stringify(JSON.parse(body))).toBe(body)
        expect(referenceAccepts(JSON.parse(body), headers['X-Webhook-Signature'] ?? '', secret)).toBe(true)
      }),
    )
  })

  it("fail the reference's Node example if the body is not from JSON.stringify and has integer-like keys", () => {
    const body = '{"b":1,"7":2}'
    const signature = signedHeaders({ ...delivery, body }, now)['X-Webhook-Signature'] ?? ''
    expect(referenceAccepts(JSON.parse(body), signature, delivery.secret)).toBe(false)
  })

  it('are accepted by an independent Standard Webhooks library, with a whsec_ secret', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 64 }), fc.jsonValue(), (key, value) => {
        const secret = `whsec_${Buffer.from(key).toString('base64')}`
        const body = JSON.stringify(value)
        const headers = signedHeaders({ ...delivery, body, secret }, now)
        expect(JSON.stringify(new Webhook(secret).verify(body, headers))).toBe(body)
      }),
    )
  })

  it('are accepted by an independent Standard Webhooks library, with any other secret as a raw key', () => {
    const headers = signedHeaders(delivery, now)
    const receiver = new Webhook(new TextEncoder().encode(delivery.secret), { format: 'raw' })
    expect(receiver.verify(delivery.body, headers)).toEqual(JSON.parse(delivery.body))
    expect(() => receiver.verify(`${delivery.body} `, headers)).toThrow('No matching signature')
    expect(() => receiver.verify(delivery.body, { ...headers, 'webhook-id': 'other' })).toThrow(
      'No matching signature',
    )
  })

  it('keep id and hex signature from attempt to attempt, with a fresh timestamp against replay', () => {
    const first = signedHeaders(delivery, new Date(1_700_000_000_000))
    const second = signedHeaders(delivery, new Date(1_700_000_600_000))
    expect(second).toEqual({
      ...first,
      'webhook-timestamp': '1700000600',
      'webhook-signature': expect.not.stringMatching(first['webhook-signature'] ?? ''),
    })
    expect(() => new Webhook(delivery.secret, { format: 'raw' }).verify(delivery.body, first)).toThrow(
      'too old',
    )
  })
})

describe('the signature of a hook that comes in', () => {
  const body = Buffer.from('{"from":"5511999999999"}')
  const signature = createHmac('sha256', 'secret').update(body).digest('hex')

  it('is accepted over the exact bytes, also of bodies that are not UTF-8', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string({ minLength: 1 }), (bytes, secret) => {
        const signed = createHmac('sha256', secret).update(bytes).digest('hex')
        expect(verifySignature(Buffer.from(bytes), signed, secret)).toBe(true)
      }),
    )
  })

  it('is refused with any other text, of any length, without throwing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: character }), fc.base64String()), (given) => {
        expect(verifySignature(body, given, 'secret')).toBe(false)
      }),
    )
    const tampered = [
      signature.slice(1),
      `${signature}00`,
      `${signature.slice(0, -1)}g`,
      `sha256=${signature}`,
      '',
    ]
    expect(tampered.filter((given) => verifySignature(body, given, 'secret'))).toEqual([])
  })

  it('is refused over another body and under another secret', () => {
    expect(verifySignature(body, signature, 'secret')).toBe(true)
    expect(verifySignature(Buffer.from(`${body.toString()}\n`), signature, 'secret')).toBe(false)
    expect(verifySignature(body, signature, 'Secret')).toBe(false)
  })

  it('is refused under an empty secret, which anybody knows', () => {
    expect(verifySignature(body, createHmac('sha256', '').update(body).digest('hex'), '')).toBe(false)
  })
})
