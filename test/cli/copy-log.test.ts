import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { sourceConfig } from '../../src/cli/copy-log/source.ts'
import { followLog, WrongLog } from '../../src/followed-log.ts'
import { NO_STREAM, START, type EventStore } from '../../src/ports/event-store.ts'
import { copy, placeOf, tellAgain, told } from '../support/copying.ts'
import { toAppend } from '../support/facts.ts'
import { testLog } from '../support/log.ts'
import { story, tellStory } from '../support/story.ts'

/** A log that has been told the story, with positions that no other log gives to these events. */
const storyLog = async () => {
  const log = await testLog()
  await log.pool.query('alter sequence event_position_seq restart with 5000 increment by 7')
  await tellStory(log.store)
  return log
}
const stored = async ({ pool }: Awaited<ReturnType<typeof testLog>>) => {
  const text = 'select stream, revision, id, type, data::text, meta::text from event order by position'
  return (await pool.query<Record<string, unknown>>(text)).rows
}
const somethingElse = () => {
  const [[, event]] = story as [(typeof story)[0]]
  return toAppend(event)
}
const checkpoints = async ({ pool }: Awaited<ReturnType<typeof testLog>>) => {
  const { rows } = await pool.query<{ name: string; position: string }>(
    'select name, position::text from checkpoint order by name',
  )
  return Object.fromEntries(rows.map(({ name, position }) => [name, position]))
}
/** Fails at the nth append, as a process that is killed there: what has left is written, nothing comes after. */
const failingAt = (nth: number, store: EventStore): EventStore => {
  let appends = 0
  return {
    ...store,
    append: (...args) =>
      ++appends < nth ? store.append(...args) : Promise.reject(new Error('the power is gone')),
  }
}

test('the copy has the same events in the same order, byte for byte', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  await tellAgain(source.store, 5)
  const { events, output } = await copy(placeOf(source), placeOf(target))
  expect(events).toBe(story.length * 6)
  expect(await stored(target)).toEqual(await stored(source))
  expect(output).toMatch(/^copying +\d+ events in .*\n(.*\n)*comparing +\d+ events in /m)
})

test('a copy that was interrupted at any append goes on where it stopped', async () => {
  const source = await storyLog()
  for (const nth of [1, 2, 9, 30, 45]) {
    const target = await testLog()
    const place = placeOf(target)
    await expect(copy(placeOf(source), { ...place, store: failingAt(nth, target.store) })).rejects.toThrow(
      'the power is gone',
    )
    await expect(followLog(place), 'nobody goes on half a log').rejects.toThrow(
      /has not been finished.*copy-log/s,
    )
    await copy(placeOf(source), place)
    expect(await stored(target)).toEqual(await stored(source))
    await followLog(place)
  }
})

test('a target that was emptied after an interrupted copy is filled from the start', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  const place = placeOf(target)
  await expect(copy(placeOf(source), { ...place, store: failingAt(50, target.store) })).rejects.toThrow()
  const other = await testLog()
  await copy(placeOf(source), { ...place, store: other.store })
  expect(await told(other.store)).toEqual(await told(source.store))
})

test('a target with other events is refused, and stays as it is', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  await target.store.append('tenant-1', NO_STREAM, [somethingElse()])
  await expect(copy(placeOf(source), placeOf(target))).rejects.toThrow(
    /holds other events: its event 1 is TenantCreated of tenant-1/,
  )
  expect(await target.store.readStream('tenant-1')).toHaveLength(1)
  expect(Number(await target.store.head())).toBe(1)
})

test('a target that has more than the source is refused', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  await copy(placeOf(source), { ...placeOf(await testLog()), store: target.store })
  await target.store.append('tenant-1', NO_STREAM, [somethingElse()])
  await expect(copy(placeOf(source), placeOf(target))).rejects.toThrow(/holds other events/)
})

test('events in another order are not a copy', async () => {
  const [source, target] = [await testLog(), await testLog()]
  const events = [somethingElse(), somethingElse()]
  for (const [n, event] of events.entries()) await source.store.append(`tenant-${n}`, NO_STREAM, [event])
  for (const [n, event] of [...events.entries()].reverse())
    await target.store.append(`tenant-${n}`, NO_STREAM, [event])
  await expect(copy(placeOf(source), placeOf(target))).rejects.toThrow(/holds other events/)
})

test('an empty log, a log into itself, and a database that is in use are refused', async () => {
  const [source, empty, used] = [await storyLog(), await testLog(), await testLog()]
  await expect(copy(placeOf(empty), placeOf(source))).rejects.toThrow(/nothing to copy/)
  await expect(copy(placeOf(source), placeOf(source.openProcess()))).rejects.toThrow(/are the same log/)
  await followLog(placeOf(used))
  await expect(copy(placeOf(source), placeOf(used))).rejects.toThrow(/has been in use/)
})

test('reactions go on after the event that they had come to; read models begin anew', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  const events: { id: string; position: bigint }[] = []
  for await (const batch of source.store.subscribeToAll(START, AbortSignal.timeout(5000))) {
    events.push(...batch)
    break
  }
  const at = (n: number) => events[n]?.position ?? START
  const write = (name: string, position: bigint) =>
    source.pool.query('insert into checkpoint (name, version, position) values ($1, 1, $2)', [
      name,
      String(position),
    ])
  await write('relay', at(19))
  // Between two events, before the first, and where read models are.
  await write('contacts', at(29) + 1n)
  await write('automations', at(0) - 1n)
  await write('message', at(40))
  await write('chain', at(41))
  await copy(placeOf(source), placeOf(target))
  expect(await checkpoints(target)).toEqual({ automations: '0', contacts: '30', relay: '20' })
})

test('numbers go on; deliveries, their attempts and lanes, simulated phones, WhatsApp sessions and keys move along', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  await source.pool.query("select setval('message_number', 4711), setval('contact_number', 12)")
  const [endpoint, key, id] = [randomUUID(), randomUUID(), randomUUID()]
  await source.pool.query(`
    insert into webhook_delivery (event_id, endpoint_id, tenant_id, instance_id, key, event, body, correlation, causation, state, attempts)
    select gen_random_uuid(), '${endpoint}', '${id}', '${id}', '${key}', 'message.sent', '{"ünïcode": "\\u0000 ' || n || '"}', 'c', 'c',
      case when n % 3 = 0 then 'open' else 'delivered' end, 1 from generate_series(1, 700) n;
    delete from webhook_delivery where id < 20;
    insert into webhook_attempt (delivery_id, number, at, duration_ms) select id, 1, now(), 3 from webhook_delivery;
    insert into webhook_lane (endpoint_id, key, open, due_at) values ('${endpoint}', '${key}', 227, now());
    insert into sandbox_phone values ('${id}', true, '5511', 'Shop', '2@x');
    insert into sandbox_outbox (instance_id, whatsapp_id, chat, content, at) values ('${id}', 'A', 'c', '{"b": 1, "a":  2}', now());
    insert into whatsapp_session values ('${id}', 3, '${key}', '\\x00ff5c22');
    insert into encryption_key (fingerprint) values ('\\x0102');
    insert into sealing_key (id, owner, seed, master) values ('${id}', '${key}', '\\x5c00ff', true)`)
  const { rows } = await copy(placeOf(source), placeOf(target))
  expect(rows).toBe(681 * 2 + 1 + 1 + 1 + 1 + 1 + 1)
  for (const table of [
    'webhook_delivery',
    'webhook_attempt',
    'webhook_lane',
    'sandbox_phone',
    'sandbox_outbox',
    'whatsapp_session',
    'encryption_key',
    'sealing_key',
  ]) {
    const text = `select to_json(t)::text as row from ${table} t order by 1`
    expect((await target.pool.query(text)).rows, table).toEqual((await source.pool.query(text)).rows)
  }
  const numbers = postgresNumbers(target.pool)
  expect([await numbers('message'), await numbers('contact'), await numbers('tenant')]).toEqual([4712, 13, 1])
  const { rows: next } = await target.pool.query("select nextval('webhook_delivery_id_seq') as id")
  expect(next).toEqual([{ id: 701 }])
})

test('a copy that fails at the very end leaves nothing but the log, and can be finished', async () => {
  const [source, target] = [await storyLog(), await testLog()]
  const id = randomUUID()
  const phone = `insert into sandbox_phone (instance_id, qr) values ('${id}', 'x')`
  await source.pool.query(phone)
  await target.pool.query(phone)
  await expect(copy(placeOf(source), placeOf(target))).rejects.toThrow(/duplicate key/)
  await expect(followLog(placeOf(target))).rejects.toThrow(WrongLog)
  await target.pool.query('delete from sandbox_phone')
  await copy(placeOf(source), placeOf(target))
  await followLog(placeOf(target))
})

test('a place that is none is refused without the password in it', async () => {
  const refused = await sourceConfig('Postgres://zapini:a-secret@db/zapini', {}).catch(String)
  expect(refused).toContain('begins with postgres:// or esdb://')
  expect(refused).not.toContain('a-secret')
})
