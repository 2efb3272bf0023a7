import { parseArgs } from 'node:util'
import { createRedeliveries, type Range } from '../../webhooks/redelivery.ts'
import { createWakeOthers } from '../../webhooks/wake-others.ts'
import { visit, WrongUsage, type Command, type Given } from '../command.ts'
import { confirm } from '../confirm.ts'
import { lookForConversation } from '../export/export.ts'
import { conversationsAmong } from '../export/related.ts'
import { findConversation } from '../find.ts'
import { timeOf } from '../times.ts'
import { findEndpoint, isServed, type Endpoint } from './endpoint.ts'
import { redeliver, type Redelivered } from './redeliver.ts'

const PER_SECOND = 20
const PER_SECOND_MAX = 1000

const options = {
  since: { type: 'string' },
  until: { type: 'string' },
  endpoint: { type: 'string' },
  conversation: { type: 'string' },
  rate: { type: 'string', default: `${PER_SECOND}/s` },
  yes: { type: 'boolean', default: false },
} as const

const rateOf = (text: string): number => {
  const perSecond = Number(/^(\d+)(\/s)?$/.exec(text)?.[1] ?? 0)
  if (perSecond < 1 || perSecond > PER_SECOND_MAX)
    throw new WrongUsage(`--rate is a whole number of events in a second, up to ${PER_SECOND_MAX}.`)
  return perSecond
}

const wantedOf = (args: readonly string[]) => {
  const { values } = parseArgs({ args: [...args], options })
  const { since, until, endpoint, conversation, rate, yes } = values
  if (since === undefined || endpoint === undefined)
    throw new WrongUsage('--since and --endpoint are missing.')
  const times = { since: timeOf(since, 'since'), until: until && timeOf(until, 'until') }
  if (times.until !== undefined && times.until <= times.since)
    throw new WrongUsage('--until is not after --since.')
  if (times.since > new Date().toISOString()) throw new WrongUsage('--since is in the future.')
  return {
    ...times,
    perSecond: rateOf(rate),
    ...{ endpoint, conversation, yes },
  }
}

const question = ({ since, until }: Range, { url }: Endpoint, perSecond: number) =>
  `Deliver again to ${url} what was stored from ${since} until ${until ?? 'now'}, ${perSecond} events in a second?`

const report = ({ delivered, dead, open, isOver }: Redelivered): string =>
  isOver
    ? `${delivered} delivered, ${dead} dead.\n`
    : `Interrupted: ${delivered} delivered, ${dead} dead, ${open} in the queue. The same command goes on.\n`

const run = async (given: Given, args: readonly string[]): Promise<number> => {
  const { since, until, perSecond, yes, ...named } = wantedOf(args)
  const { progress, out } = given.screen
  return visit(given, async ({ pool, store, onError }, interrupted) => {
    const endpoint = await findEndpoint(pool, named.endpoint)
    if (!(await isServed(pool)))
      throw new Error(
        'No server is running here that would deliver. Start one, then run the same command again.',
      )
    const conversationId =
      named.conversation === undefined
        ? undefined
        : await findConversation(store, named.conversation, endpoint.tenantId)
    const range: Range = { endpointId: endpoint.id, since, until, conversationId }
    if (!yes && !(await confirm(question(range, endpoint, perSecond)))) {
      out.write('Nothing is delivered.\n')
      return 1
    }
    const looking = { log: store, output: progress, interrupted }
    const conversations =
      conversationId &&
      new Set(conversationsAmong(await lookForConversation(looking, conversationId, await store.head())))
    const others = createWakeOthers({ pool, onWoken: () => {}, onError })
    const done = await redeliver({
      ...{ store, endpoint, range, perSecond, interrupted, output: progress },
      ...(conversations && { conversations }),
      redeliveries: createRedeliveries(pool, others.tell),
      isServed: () => isServed(pool),
    })
    out.write(report(done))
    return done.isOver && done.dead === 0 ? 0 : 1
  })
}

export const webhooksCommand: Command = {
  synopsis: 'redeliver --since TIME [--until TIME] --endpoint ID [--conversation ID]',
  summary: `delivers to an endpoint again what the log told it from one time to another, in
order, marked, under the same ids. ID is that of the endpoint or its instance. --rate
N/s bounds it (20/s); --yes does not ask. A server has to run, which delivers.
Interrupted, the same command goes on.`,
  run: ({ args: [what, ...args], ...given }) => {
    if (what !== 'redeliver') throw new WrongUsage('The one thing that webhooks can do is redeliver.')
    return run({ ...given, args }, args)
  },
}
