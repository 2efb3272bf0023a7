import { expect, it, onTestFinished, vi } from 'vitest'
import { sandboxGateway } from '../../src/adapters/sandbox/gateway.ts'
import { create, Instance, open } from '../../src/domain/instance.ts'
import type { Leases } from '../../src/ports/leases.ts'
import { createInstanceRunner } from '../../src/reactions/run-instances.ts'
import type { Load } from '../../src/write/transact.ts'
import { recordingListener } from '../contracts/gateway.ts'
import { AT, context, INSTANCE, TENANT } from '../support/facts.ts'
import { testLog } from '../support/log.ts'
import { gate } from '../support/subscriber.ts'
import { eventually } from '../support/eventually.ts'

/** One lease, which this node has until it is lost. */
const leaseToLose = () => {
  const losing = new AbortController()
  const leases: Leases = {
    hold: async (name, work) => void (await work({ name, term: 1, signal: losing.signal })),
    holderOf: () => Promise.resolve(undefined),
  }
  return { leases, lose: () => losing.abort() }
}

it('a session ends with its lease, also while the log does not answer', async () => {
  const { pool, transact, load, store, signal } = await testLog()
  const made = create({ number: 1, name: 'Shop', provider: 'sandbox', hookSecret: 's', at: AT })
  await transact(Instance, INSTANCE, made, context)
  const sandbox = sandboxGateway(pool, () => undefined)
  const { leases, lose } = leaseToLose()
  let mayLoad: Promise<void> = Promise.resolve()
  const loading = vi.fn()
  const slowly: Load = async (...asked) => {
    loading()
    await mayLoad
    return load(...asked)
  }
  const runner = createInstanceRunner({
    ...{ gateways: { sandbox }, leases, load: slowly, claim: () => Promise.resolve(1) },
    listenerOf: () => recordingListener().listener,
    onEnded: () => undefined,
  })
  runner.begin([{ id: INSTANCE, tenantId: TENANT }], signal)
  await eventually(() => sandbox.scan(INSTANCE, { phoneNumber: '5511777777777' }))
  await eventually(() => expect(sandbox.connected(INSTANCE)).toBe(true))

  const { opened, open: answer } = gate()
  onTestFinished(answer)
  mayLoad = opened
  loading.mockClear()
  await transact(Instance, INSTANCE, open(AT), context)
  const [event] = await store.readStream(`instance-${INSTANCE}`)
  if (!event) throw new Error('The instance is not in the log')
  runner.each(event, signal)
  await eventually(() => expect(loading).toHaveBeenCalled())
  lose()
  await eventually(() => expect(sandbox.connected(INSTANCE)).toBe(false))
  answer()
  await runner.ended()
})
