import { startCeiling } from './ceiling.ts'
import { closedLoop } from './closed-loop.ts'
import { createPoster, textAt, type Poster } from './http.ts'
import { connectInstance, startProgram } from './program.ts'
import { startReceiver } from './receiver.ts'
import type { Case, OpenSuite, Run } from './suite.ts'
import { nextIncoming } from './traffic.ts'

const CALLERS = [1, 10] as const
const CALLERS_MAX = 10
const WARM_UP_SECONDS = 1.5
const ARRIVAL_TIMEOUT_MS = 30_000

type WaitFor = 'answer' | 'webhook'
type Target = { readonly poster: Poster; readonly path: string }

/** Receives for both sides, and tells for each message when its webhook was there. */
const startArrivals = async () => {
  const waiting = new Map<string, (atMs: number) => void>()
  const arrive = (id: string, atMs: number) => {
    waiting.get(id)?.(atMs)
    waiting.delete(id)
  }
  const ofProgram = await startReceiver((text, atMs) =>
    arrive(textAt(JSON.parse(text), 'data', 'whatsapp_message_id'), atMs),
  )
  const ofCeiling = await startReceiver((text, atMs) => arrive(textAt(JSON.parse(text), 'key', 'id'), atMs))
  return {
    programUrl: ofProgram.url,
    ceilingUrl: ofCeiling.url,
    of: (id: string) => new Promise<number>((resolve) => waiting.set(id, resolve)),
    missing: () => waiting.size,
    close: () => Promise.all([ofProgram.close(), ofCeiling.close()]),
  }
}
type Arrivals = Awaited<ReturnType<typeof startArrivals>>

const within = async <T>(promise: Promise<T>, complaint: () => string): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint())), ARRIVAL_TIMEOUT_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/**
 * Each caller posts an incoming message, and the next one after the answer, or after the webhook. A latency is the time
 * from just before the POST to the webhook's arrival; the sample ends when the last one has arrived.
 */
const inboundLoop = async (
  arrivals: Arrivals,
  { poster, path }: Target,
  waitFor: WaitFor,
  callers: number,
  seconds: number,
): Promise<Run> => {
  const latencies: Promise<number>[] = []
  const startedAt = performance.now()
  await closedLoop(callers, seconds, async () => {
    const { id, body } = nextIncoming()
    const postedAt = performance.now()
    const latency = arrivals.of(id).then((atMs) => atMs - postedAt)
    latencies.push(latency)
    await poster.call('POST', path, body)
    if (waitFor === 'webhook') await latency
    return performance.now() - postedAt
  })
  const latenciesMs = await within(
    Promise.all(latencies),
    () => `${arrivals.missing()} webhooks are missing after ${ARRIVAL_TIMEOUT_MS / 1000} s`,
  )
  return { operations: latenciesMs.length, seconds: (performance.now() - startedAt) / 1000, latenciesMs }
}

/** From an incoming message to the webhook at its receiver: the main job of the program. */
export const openInbound: OpenSuite = async (databases) => {
  const arrivals = await startArrivals()
  const program = await startProgram(await databases.create('inbound'), databases.folder)
  const { id, token } = await connectInstance(program)
  await program.admin.call('PUT', `/instances/${id}/webhook`, {
    webhook_url: arrivals.programUrl,
    events: ['message.incoming'],
  })
  const ceiling = await startCeiling({
    databaseUrl: await databases.create('inbound_ceiling'),
    folder: databases.folder,
    connections: CALLERS_MAX,
    commits: 1,
    forwardTo: arrivals.ceilingUrl,
  })
  const poster = createPoster(program.url, token, CALLERS_MAX)
  const ours: Target = { poster, path: `/webhooks/instance/${id}/incoming` }
  const bare: Target = { poster: ceiling.poster, path: '/' }

  const runOf = (target: Target, waitFor: WaitFor, callers: number) => (seconds: number) =>
    inboundLoop(arrivals, target, waitFor, callers, seconds)
  const waits = ['answer', 'webhook'] as const
  const cases = waits.flatMap((waitFor) =>
    CALLERS.flatMap((callers): Case[] => {
      const name = (what: string) => `${what}, ${callers}, next after the ${waitFor}`
      return [
        {
          name: name('inbound'),
          callers,
          ceiling: name('inbound ceiling'),
          ...(callers === 10 && waitFor === 'answer' && { aim: { perSecond: 1500, p50Ms: 10 } }),
          run: runOf(ours, waitFor, callers),
        },
        { name: name('inbound ceiling'), callers, run: runOf(bare, waitFor, callers) },
      ]
    }),
  )
  for (const target of [ours, bare]) await runOf(target, 'answer', CALLERS_MAX)(WARM_UP_SECONDS)

  return {
    unit: 'messages',
    about: `POST /webhooks/instance/{id}/incoming, until the webhook is at its receiver; everything is durable. Each client
posts its next message after the answer, or after the webhook. Ceiling: a bare node:http server that makes one
autocommit insert for each request, answers, and posts the message onwards with undici.`,
    cases,
    close: async () => {
      await poster.close()
      await Promise.all([program.stop(), ceiling.stop()])
      await arrivals.close()
    },
  }
}
