// Prints what happens, while it happens, and misses nothing when the connection breaks. Needs nothing but Node.
//   ZAPINI_TOKEN=sk_... node examples/event-stream.mjs
import { TextDecoderStream } from 'node:stream/web'

const url = process.env.ZAPINI_URL ?? 'http://localhost:3000'
const authorization = `Bearer ${process.env.ZAPINI_TOKEN}`
/** How far we are. Keep it with what you make of the events, and the next start goes on there. */
let lastEventId = process.env.LAST_EVENT_ID

for (;;) {
  try {
    const headers = { authorization, ...(lastEventId && { 'last-event-id': lastEventId }) }
    const response = await fetch(`${url}/events`, { headers })
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
    let text = ''
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + part).split('\n\n')
      text = blocks.pop()
      for (const block of blocks) {
        const { id, data } = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s)))
        if (data) console.log(JSON.parse(data))
        lastEventId = id ?? lastEventId
      }
    }
  } catch (error) {
    console.error(error.message)
  }
  await new Promise((done) => setTimeout(done, 2000))
}
