/** A program of its own that holds a lease as long as it can, for tests that stop or kill it. */
import { postgresLeases } from '../../src/adapters/postgres/leases.ts'
import { createLeasePool } from '../../src/adapters/postgres/pool.ts'

const [url = '', name = '', times = ''] = process.argv.slice(2)
const say = (line: string) => process.stdout.write(`${line}\n`)
const leases = postgresLeases(
  createLeasePool(url, () => {}),
  { name: `process ${process.pid}`, url: 'http://127.0.0.1' },
  () => {},
  JSON.parse(times),
)
await leases.hold(
  name,
  ({ term, signal }) =>
    new Promise<void>((done) => {
      say(`holds ${term}`)
      signal.addEventListener('abort', () => (say(`lost ${term}`), done()))
    }),
  new AbortController().signal,
)
