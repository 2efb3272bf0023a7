import { readFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { login, type Client } from '../support/client.ts'
import type { Program } from '../support/program.ts'
import { range } from '../support/range.ts'
import { startReceiver } from '../support/receiver.ts'
import { startWhatsAppProcess } from '../support/whatsapp-process.ts'
import { ADMIN, createHome } from '../e2e/home.ts'
import { createInstance, qrOf } from '../e2e/linked.ts'

const SESSIONS = Number(process.env['SOAK_SESSIONS'] ?? 50)
/** Phones that scan at the same time. */
const AT_ONCE = 4
const IDLE_MS = 30_000
const AWAY_MS = 5000
const PATIENCE = { timeout: 300_000, interval: 100 }
/** USER_HZ, which Linux fixes at 100 for /proc (proc(5), stat). */
const TICKS_PER_SECOND = 100

/** Resident memory, in MB. */
const memoryOf = async ({ pid }: Program): Promise<number> =>
  Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
/** Processor time so far, in seconds. */
const processorOf = async ({ pid }: Program): Promise<number> => {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}
const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now()
  await work()
  return (performance.now() - begun) / 1000
}

it(`${SESSIONS} sessions of WhatsApp in one program`, async () => {
  const whatsApp = await startWhatsAppProcess()
  const { control } = whatsApp
  const receiver = await startReceiver()
  const home = await createHome({
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    ...whatsApp.environment,
  })
  onTestFinished(async () => {
    await home.remove()
    await Promise.all([whatsApp.stop(), receiver.close()])
  })
  let program = await home.start()
  let admin: Client = await login(program.url, ADMIN.email, ADMIN.password)
  const phones = await Promise.all(range(SESSIONS).map((n) => control.person({ name: `Shop ${n}` })))
  const customer = await control.person({ name: 'Customer' })
  const rows: [string, string][] = []
  const note = (what: string, value: string) => void rows.push([what, value])

  const areConnected = async (count: number) => {
    const people = await control.people()
    const linked = people.flatMap(({ devices }) => devices.filter(({ connected }) => connected))
    expect(linked).toHaveLength(count)
  }
  const areShownConnected = async () => {
    const { body } = await admin.get('/instances')
    const instances: { status: string }[] = body.data.instances
    expect(instances.filter(({ status }) => status === 'connected')).toHaveLength(SESSIONS)
  }
  /** Each of them hears, and is heard. */
  const allHear = async () => {
    const ids = await Promise.all(
      phones.map(({ phoneNumber: to }) => control.write({ from: customer.phoneNumber, to, text: 'Hello' })),
    )
    await vi.waitFor(() => {
      const told = new Set(receiver.received.map(({ data }) => data['whatsapp_message_id']))
      expect(ids.filter((id) => !told.has(id))).toEqual([])
    }, PATIENCE)
  }

  const before = await memoryOf(program)
  const idleBefore = await processorOf(program)
  const pairing = [...phones]
  const pairedIn = await timed(async () => {
    const pairAll = async () => {
      for (let phone = pairing.shift(); phone; phone = pairing.shift()) {
        const instance = await createInstance(admin, phone.name)
        await admin.put(`/instances/${instance}/webhook`, {
          webhook_url: receiver.url,
          events: ['message.received'],
        })
        await control.scan({ person: phone.phoneNumber, qr: await qrOf(admin, instance) })
      }
    }
    await Promise.all(range(AT_ONCE).map(pairAll))
    await vi.waitFor(areShownConnected, PATIENCE)
  })
  const spent = (await processorOf(program)) - idleBefore
  note(`paired, ${AT_ONCE} at once, in`, `${pairedIn.toFixed(1)} s`)
  note('processor time of a pairing, by the program', `${((spent / SESSIONS) * 1000).toFixed(0)} ms`)
  note('memory before', `${before.toFixed(0)} MB`)
  await allHear()
  const idleFrom = await processorOf(program)
  await sleep(IDLE_MS)
  note(
    `processor time of ${IDLE_MS / 1000} s in which nothing happens`,
    `${((await processorOf(program)) - idleFrom).toFixed(2)} s`,
  )
  const after = await memoryOf(program)
  note('memory with all of them', `${after.toFixed(0)} MB`)
  note('memory of a session', `${((after - before) / SESSIONS).toFixed(2)} MB`)

  await control.goAway()
  await vi.waitFor(() => areConnected(0), PATIENCE)
  await sleep(AWAY_MS)
  await control.comeBack()
  const back = await timed(() => vi.waitFor(() => areConnected(SESSIONS), PATIENCE))
  note(`all connected again after WhatsApp was away for ${AWAY_MS / 1000} s`, `${back.toFixed(1)} s`)
  await vi.waitFor(areShownConnected, PATIENCE)
  await allHear()

  await program.kill()
  const restarted = await timed(async () => {
    program = await home.start()
    await vi.waitFor(() => areConnected(SESSIONS), PATIENCE)
  })
  note('all connected again after the program was killed, its start included', `${restarted.toFixed(1)} s`)
  admin = await login(program.url, ADMIN.email, ADMIN.password)
  await vi.waitFor(areShownConnected, PATIENCE)
  await allHear()
  note('memory then', `${(await memoryOf(program)).toFixed(0)} MB`)
  expect(await control.errors()).toEqual([])

  const width = Math.max(...rows.map(([what]) => what.length))
  const [load = 0] = loadavg()
  console.info(
    [
      `${SESSIONS} sessions; ${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}, load ${load.toFixed(1)}`,
      ...rows.map(([what, value]) => `${what.padEnd(width)}  ${value}`),
    ].join('\n'),
  )
})
