import { startCeiling } from './ceiling.ts'
import { timedLoop } from './closed-loop.ts'
import { createPoster } from './http.ts'
import { connectInstance, startProgram } from './program.ts'
import type { Case, OpenSuite } from './suite.ts'
import { nextOutgoing } from './traffic.ts'

const CALLERS = [1, 10] as const
const CALLERS_MAX = 10
/** Queued, in the outbox of the simulated phone, sent. */
const COMMITS = 3
const WARM_UP_SECONDS = 1.5

/** POST /send-message to a connected sandbox instance: queued, handed over, sent, read models caught up, answered. */
export const openSend: OpenSuite = async (databases) => {
  const program = await startProgram(await databases.create('send'), databases.folder)
  const { token } = await connectInstance(program)
  const poster = createPoster(program.url, token, CALLERS_MAX)
  const ceiling = await startCeiling({
    databaseUrl: await databases.create('send_ceiling'),
    folder: databases.folder,
    connections: CALLERS_MAX,
    commits: COMMITS,
  })

  const send = (callers: number) => (seconds: number) =>
    timedLoop(callers, seconds, () => poster.call('POST', '/send-message', nextOutgoing()))
  const insert = (callers: number) => (seconds: number) =>
    timedLoop(callers, seconds, () => ceiling.poster.call('POST', '/', nextOutgoing()))

  const cases = CALLERS.flatMap((callers): Case[] => [
    {
      name: `send, ${callers}`,
      callers,
      ceiling: `send ceiling, ${callers}`,
      ...(callers === 10 && { aim: { perSecond: 1500 } }),
      run: send(callers),
    },
    { name: `send ceiling, ${callers}`, callers, run: insert(callers) },
  ])
  await send(CALLERS_MAX)(WARM_UP_SECONDS)
  await insert(CALLERS_MAX)(WARM_UP_SECONDS)

  return {
    unit: 'messages',
    about: `POST /send-message until the answer, which says "sent". Ceiling: a bare node:http server that makes as many
durable commits for each request (${COMMITS}: queued, outbox of the simulated phone, sent), one autocommit insert each.`,
    cases,
    close: async () => {
      await poster.close()
      await Promise.all([program.stop(), ceiling.stop()])
    },
  }
}
