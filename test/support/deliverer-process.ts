/** A program of its own that delivers webhooks, as a node does, until it is killed. */
import { randomUUID } from 'node:crypto'
import { addressGuard } from '../../src/adapters/outbound/address-guard.ts'
import { guardedPost } from '../../src/adapters/outbound/post.ts'
import { createWorkPool } from '../../src/adapters/postgres/pool.ts'
import { createDeliverer } from '../../src/webhooks/deliver.ts'
import { webhookQueue } from '../../src/webhooks/queue.ts'
import { createWakeOthers } from '../../src/webhooks/wake-others.ts'

const [url = '', timeoutSeconds = '5', concurrency = '4'] = process.argv.slice(2)
const onError = (error: unknown) => void process.stderr.write(`${String(error)}\n`)
const pool = createWorkPool(url, { max: 5, onError })
const atOnce = Number(concurrency)
const { post } = guardedPost({
  guard: addressGuard(['127.0.0.0/8']),
  timeoutMs: Number(timeoutSeconds) * 1000,
  connectionsPerOrigin: atOnce,
})
const deliverer = createDeliverer({
  queue: webhookQueue(pool, randomUUID()),
  post,
  settings: {
    retrySeconds: [0.05, 0.1, ...Array<number>(50).fill(0.2)],
    laneSeconds: Number(timeoutSeconds),
    concurrency: atOnce,
    endpointConcurrency: atOnce,
  },
  onAttempt: () => {},
  onError,
})
const never = new AbortController().signal
void createWakeOthers({ pool, onWoken: deliverer.wake, onError }).listen(never)
process.stdout.write('delivers\n')
await deliverer.run(never)
