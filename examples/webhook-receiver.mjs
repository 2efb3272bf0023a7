// A webhook receiver that checks signatures and prints what comes. Needs nothing but Node.
//   WEBHOOK_SECRET=your_secret_key node examples/webhook-receiver.mjs
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const secret = process.env.WEBHOOK_SECRET ?? 'your_secret_key'
const port = Number(process.env.PORT ?? 4000)
/** Deliveries that were handled. Keep these ids in your database: a webhook comes at least once. */
const seen = new Set()

const isSigned = (body, signature = '') => {
  const expected = createHmac('sha256', secret).update(body).digest('hex')
  return (
    signature.length === expected.length && timingSafeEqual(Buffer.from(signature), Buffer.from(expected))
  )
}

createServer(async (request, response) => {
  const parts = []
  for await (const part of request) parts.push(part)
  const body = Buffer.concat(parts)
  if (!isSigned(body, request.headers['x-webhook-signature'])) {
    response.writeHead(401).end()
    return
  }
  const id = request.headers['webhook-id']
  const { event, data } = JSON.parse(body)
  console.log(seen.has(id) ? '(again)' : '', event, data)
  seen.add(id)
  response.writeHead(200).end()
}).listen(port, '127.0.0.1', () => console.log(`Waiting for webhooks at http://127.0.0.1:${port}/`))
