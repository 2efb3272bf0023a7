import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Late } from '../../src/adapters/eventstoredb/attempts.ts'
import { newId } from '../../src/domain/ids.ts'
import {
  AppendTooLarge,
  NO_STREAM,
  START,
  StoreUnavailable,
  WrongRevision,
} from '../../src/ports/event-store.ts'
import { appendSurely, eventStoreContract, happening } from '../contracts/event-store.ts'
import { testCertificate, testKey } from '../support/certificate.ts'
import type { Operation } from '../support/eventstoredb-client.ts'
import {
  newPrefix,
  runScript,
  sharedEventStoreDb,
  testEventStoreDb,
  testEventStore,
} from '../support/eventstoredb.ts'
import { range } from '../support/range.ts'
import { eventually } from '../support/eventually.ts'
import { expectInOrder, startSubscriber } from '../support/subscriber.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

const shared = sharedEventStoreDb()
const CLIENT = join(import.meta.dirname, '../support/eventstoredb-client.ts')
const PROGRAM = join(import.meta.dirname, '../support/eventstoredb-program.ts')
/** So that what is not answered does not take long. */
const HASTY = { attemptMs: 300, callMs: 1000 }

/** What others do on the server. */
const others = async (...operations: readonly Operation[]) => {
  const script = runScript(CLIENT, shared.url(), JSON.stringify(operations))
  expect(await script.ended, script.errors()).toBe(0)
}

/** A store whose connection can be cut, on a stand-in of its own. */
const cuttable = async (times?: Parameters<typeof testEventStore>[2]) => {
  const server = await testEventStoreDb()
  const proxy = await startTcpProxy(server.port)
  const url = `esdb://127.0.0.1:${proxy.port}?tls=false`
  return { proxy, store: testEventStore(url, newPrefix(), times) }
}

eventStoreContract(shared.isStandIn ? 'EventStoreDB (stand-in)' : 'EventStoreDB', async () =>
  testEventStore(shared.url()),
)

describe('what is not ours', () => {
  test('is not shown: other prefixes, other shapes, system events', async () => {
    const store = testEventStore(shared.url())
    const { prefix } = store
    const position = await store.append('thing-1', NO_STREAM, [happening(1)])
    await others(
      { do: 'append', stream: `other-${prefix}thing-1`, type: 'ThingHappened', data: { n: 1 } },
      { do: 'append', stream: `${prefix}thing-2`, type: 'Foreign', data: { without: 'our metadata' } },
      { do: 'append', stream: `${prefix}thing-2`, type: 'Foreign', data: 'text' },
      { do: 'append', stream: `${prefix}thing-2`, type: '$>', data: `0@${prefix}thing-1` },
      { do: 'append', stream: `${prefix}thing-3`, type: 'Foreign', data: {} },
      { do: 'tombstone', stream: `${prefix}thing-3` },
    )
    expect(await store.head()).toBe(position)
    expect(await store.readStream('thing-2')).toEqual([])
    const follower = startSubscriber(store)
    await follower.has(1)
    const next = await store.append('thing-1', 0, [happening(2)])
    await follower.has(2)
    await follower.stop()
    expect(follower.events.map(({ data }) => data)).toEqual([{ n: 1 }, { n: 2 }])
    expect(await store.head()).toBe(next)
  })

  test('does not stand in the way of who comes late', async () => {
    const store = testEventStore(shared.url())
    await store.append('thing-1', NO_STREAM, [happening(1)])
    const foreign = { do: 'append', stream: `other-${store.prefix}`, type: 'Foreign', data: {} } as const
    await others(...range(1200).map(() => foreign))
    await store.append('thing-1', 0, [happening(2)])
    const follower = startSubscriber(store)
    await follower.has(2)
    await follower.stop()
    expect(follower.events.map(({ data }) => data)).toEqual([{ n: 1 }, { n: 2 }])
  })
})

describe('a stream that others', () => {
  test('deleted is empty, and can be appended to again', async () => {
    const store = testEventStore(shared.url())
    await store.append('thing-1', NO_STREAM, [happening(1), happening(2)])
    await others({ do: 'delete', stream: `${store.prefix}thing-1` })
    expect(await store.readStream('thing-1')).toEqual([])
    const position = await store.append('thing-1', NO_STREAM, [happening(3)])
    expect(await store.readStream('thing-1')).toMatchObject([{ data: { n: 3 }, position }])
  })

  test('tombstoned says so', async () => {
    const store = testEventStore(shared.url())
    await store.append('thing-1', NO_STREAM, [happening(1)])
    await others({ do: 'tombstone', stream: `${store.prefix}thing-1` })
    await expect(store.append('thing-1', 0, [happening(2)])).rejects.toThrow(/thing-1 is tombstoned/)
    await expect(store.readStream('thing-1')).rejects.toThrow(/thing-1 is tombstoned/)
  })
})

describe('an append', () => {
  test.each([
    ['a number without end', () => ({ data: { n: 1n } }), /BigInt/],
    ['nothing', () => Object.fromEntries([['data', undefined]]), /not an object/],
    ['a circle', () => ({ data: circle() }), /circular/],
    ['an id that is no uuid', () => ({ id: 'not a uuid' }), /uuid/],
    ['the nil uuid', () => ({ id: '00000000-0000-0000-0000-000000000000' }), /uuid/],
    ['no type', () => ({ type: '' }), /type/],
    ['a system type', () => ({ type: '$metadata' }), /type/],
  ])('of %s is refused, and the process lives', async (_what, change, message) => {
    const store = testEventStore(shared.url())
    const bad = { ...happening(1), ...change() }
    await expect(store.append('thing-1', NO_STREAM, [bad])).rejects.toThrow(message)
    await store.append('thing-1', NO_STREAM, [happening(2)])
    expect(await store.readStream('thing-1')).toHaveLength(1)
  })

  test('of no events, or to a system stream, is refused', async () => {
    const store = testEventStore(shared.url(), '')
    await expect(store.append('thing-1', NO_STREAM, [])).rejects.toThrow('without events')
    await expect(store.append('$thing-1', NO_STREAM, [happening(1)])).rejects.toThrow('name of a stream')
  })

  test('that is too large is refused by name; one that is nearly so is stored', async () => {
    const store = testEventStore(shared.url())
    const large = (bytes: number) => happening(1, { text: 'x'.repeat(bytes) })
    await expect(store.append('thing-1', NO_STREAM, [large(1_000_000)])).rejects.toThrow(AppendTooLarge)
    await expect(store.append('thing-1', NO_STREAM, [large(500_000), large(500_000)])).rejects.toThrow(
      AppendTooLarge,
    )
    await store.append('thing-1', NO_STREAM, [large(990_000)])
    expect(await store.readStream('thing-1')).toHaveLength(1)
  })

  test('with the ids of one that is stored answers as that did; partly the same ids are refused', async () => {
    const store = testEventStore(shared.url())
    const events = [happening(1), happening(2)]
    const position = await store.append('thing-1', NO_STREAM, events)
    await store.append('thing-1', 1, [happening(3)])
    expect(await store.append('thing-1', NO_STREAM, events)).toBe(position)
    const partly = [happening(4), ...events.slice(1)]
    await expect(store.append('thing-1', NO_STREAM, partly)).rejects.toThrow(WrongRevision)
    expect(await store.readStream('thing-1')).toHaveLength(3)
  })
})

test('two programs on one log: each is told everything once, in order', async () => {
  const prefix = newPrefix()
  const [appends, total] = [60, 120]
  const programs = ['one', 'other'].map((name) =>
    runScript(PROGRAM, shared.url(), prefix, name, String(appends), String(total)),
  )
  const reports = await Promise.all(
    programs.map(async ({ line }) => JSON.parse(await line()) as { appended: string[]; told: Told[] }),
  )
  const appended = reports.flatMap((report) => report.appended).toSorted()
  const [told] = reports.map((report) => report.told)
  for (const report of reports) {
    expect(report.told).toEqual(told)
    expect(report.told.map(({ id }) => id).toSorted()).toEqual(appended)
  }
  // Closed, a store keeps no process alive.
  expect(await Promise.all(programs.map(({ ended }) => ended))).toEqual([0, 0])
  expect(programs.map(({ errors }) => errors())).toEqual(['', ''])
})
type Told = { readonly id: string; readonly stream: string; readonly revision: number }

test('a second connection in one process is refused, and a closed one answers that it is closed', async () => {
  const store = testEventStore(shared.url())
  expect(() => testEventStore(shared.url())).toThrow('one connection')
  await store.append(
    'thing-1',
    NO_STREAM,
    range(400).map((n) => happening(n)),
  )
  const follower = startSubscriber(store)
  await follower.has(400)
  const reading = Promise.allSettled(range(20).map(() => store.readStream('thing-1')))
  await Promise.race([store.readStream('thing-1'), reading])
  await store.close()
  // What was read by half does not pass for the whole.
  for (const result of await reading)
    if (result.status === 'fulfilled') expect(result.value).toHaveLength(400)
    else expect(result.reason).toBeInstanceOf(StoreUnavailable)
  await expect(store.append('thing-1', 0, [happening(2)])).rejects.toThrow(StoreUnavailable)
  await expect(store.readStream('thing-1')).rejects.toThrow(StoreUnavailable)
  await expect(store.head()).rejects.toThrow(StoreUnavailable)
  await follower.stop()
})

test.each([
  ['esdb://admin:secret@localhost:x?tls=false', 'port number'],
  ['esdb://admin:secret@localhost?tlsCAFile=missing', 'not found'],
  ['esdb://admin:secret@localhost?tlsVerifyCert=false', 'tlsCAFile'],
  ['esdb://admin:secret@localhost?tls=false&throwOnAppendFailure=false', 'throwOnAppendFailure'],
  ['esdb://admin:secret@localhost?tsl=false', '"tsl"'],
  ['esdb://admin:a?secret@localhost?tsl=false', '"tsl"'],
])('the connection string %s is refused without telling the password', (url, reason) => {
  const told = vi.spyOn(console, 'warn')
  expect(() => testEventStore(url)).toThrow(expect.toSatisfy(isAbout(reason)))
  expect(told).not.toHaveBeenCalled()
})
const isAbout = (reason: string) => (error: Error) =>
  error.message.includes(reason) && !error.message.includes('secret')

const circle = () => {
  const object: Record<string, unknown> = {}
  object['self'] = object
  return object
}

describe.runIf(shared.isStandIn)('when things break', () => {
  test('the server is killed and restarted while 8 writers append: nothing lost, nothing twice, all in order', async () => {
    const server = await testEventStoreDb()
    const store = testEventStore(server.url)
    const followers = range(3).map(() => startSubscriber(store))
    const [writers, each] = [8, 60]
    let appended = 0
    const writing = Promise.all(
      range(writers).map(async (writer) => {
        for (const n of range(each)) {
          await appendSurely(store, `thing-${writer}`, happening(n))
          appended++
        }
      }),
    )
    for (const share of [0.2, 0.4, 0.6]) {
      await eventually(() => expect(appended).toBeGreaterThan(share * writers * each))
      await server.kill()
      await server.restart()
    }
    await writing
    for (const follower of followers) {
      await follower.has(writers * each)
      await follower.stop()
      expectInOrder(follower.events)
      expect(follower.events).toHaveLength(writers * each)
      for (const writer of range(writers)) {
        const own = follower.events.filter(({ stream }) => stream === `thing-${writer}`)
        expect(own.map(({ data }) => data)).toEqual(range(each).map((n) => ({ n })))
      }
    }
  })

  test('the answer of an append is lost: it is tried again, and stored once', async () => {
    const { proxy, store } = await cuttable({ attemptMs: 20_000, callMs: 40_000 })
    await store.append('thing-1', NO_STREAM, [happening(1)])
    proxy.mute()
    const appending = store.append('thing-1', 0, [happening(2), happening(3)])
    // What the server sends now is the answer.
    await eventually(() => expect(proxy.lostBytes()).toBeGreaterThan(0))
    proxy.unmute()
    const position = await appending
    const stream = await store.readStream('thing-1')
    expect(stream.map(({ data }) => data)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    expect(stream.at(-1)?.position).toBe(position)
  })

  test('the connection is cut in the middle of appends and under a subscription: nothing lost, nothing twice', async () => {
    const { proxy, store } = await cuttable()
    const follower = startSubscriber(store)
    const text = 'x'.repeat(1000)
    for (const round of range(6)) {
      proxy.cutAfter(9_500 + 777 * round)
      await Promise.all(
        range(8).map(async (writer) => {
          const stream = `thing-${writer}`
          for (const n of range(5)) {
            const expected = round * 5 + n - 1
            await store.append(stream, expected, [happening(expected + 1, { text })])
          }
        }),
      )
    }
    await follower.has(240)
    await follower.stop()
    expectInOrder(follower.events)
    expect(follower.events).toHaveLength(240)
    expect(store.errors.length).toBeGreaterThan(0)
  })

  test('the connection is cut under many large appends: the process lives, and each is stored', async () => {
    const { proxy, store } = await cuttable({ attemptMs: 20_000, callMs: 50_000 })
    await store.append('first', NO_STREAM, [happening(0)])
    proxy.cutAfter(500_000)
    const large = () => happening(1, { text: 'x'.repeat(50_000) })
    await Promise.all(range(60).map((n) => store.append(`thing-${n}`, NO_STREAM, [large()])))
    const streams = await Promise.all(range(60).map((n) => store.readStream(`thing-${n}`)))
    expect(streams.map(({ length }) => length)).toEqual(range(60).map(() => 1))
  })

  test('a busy server makes the client leave a connection that is whole: when that breaks, the process lives', async () => {
    const prefix = newPrefix()
    const server = await testEventStoreDb('--busy-stream', `${prefix}busy`)
    const proxy = await startTcpProxy(server.port)
    const url = `esdb://127.0.0.1:${proxy.port}?tls=false`
    const store = testEventStore(url, prefix, { attemptMs: 20_000, callMs: 2000 })
    await store.append('thing-1', NO_STREAM, [happening(0)])
    await expect(store.readStream('busy')).rejects.toThrow(StoreUnavailable)
    for (const round of range(5)) {
      const appending = range(50).map((n) => store.append(`thing-${round}-${n}`, NO_STREAM, [happening(n)]))
      await appending[0]
      proxy.cut(1)
      await Promise.all(appending)
    }
  })

  test('a frozen server: every call fails in its time as unavailable, and all goes on when it thaws', async () => {
    const server = await testEventStoreDb()
    const store = testEventStore(server.url, newPrefix(), HASTY)
    await store.append('thing-1', NO_STREAM, [happening(1)])
    const follower = startSubscriber(store)
    await follower.has(1)
    server.freeze()
    const late = expect.objectContaining({ name: 'StoreUnavailable', cause: expect.any(Late) })
    // More of them than the client is given at once.
    await Promise.all([
      ...range(20).map((n) =>
        expect(store.append(`new-${n}`, NO_STREAM, [happening(n)])).rejects.toEqual(late),
      ),
      expect(store.readStream('thing-1')).rejects.toEqual(late),
      expect(store.head()).rejects.toEqual(late),
      expect(startSubscriber(store).stop()).resolves.toBeUndefined(),
    ])
    server.thaw()
    await eventually(() => appendSurely(store, 'thing-1', happening(2)))
    await eventually(() =>
      expect(follower.events.filter(({ stream }) => stream === 'thing-1')).toHaveLength(2),
    )
    await follower.stop()
    expectInOrder(follower.events)
  })

  test('a server that is frozen before its first answer is no different', async () => {
    const server = await testEventStoreDb()
    const store = testEventStore(server.url, newPrefix(), HASTY)
    server.freeze()
    await expect(store.append('thing-1', NO_STREAM, [happening(1)])).rejects.toThrow(StoreUnavailable)
    await expect(startSubscriber(store).stop()).rejects.toThrow(StoreUnavailable)
    server.thaw()
    await appendSurely(store, 'thing-1', happening(2))
    expect((await store.readStream('thing-1')).at(-1)?.data).toEqual({ n: 2 })
  })

  test('a server that is not there yet is waited for', async () => {
    const server = await testEventStoreDb()
    const store = testEventStore(server.url, newPrefix(), { attemptMs: 20_000, callMs: 40_000 })
    await server.kill()
    const appending = store.append('thing-1', NO_STREAM, [happening(1)])
    const follower = startSubscriber(store)
    await server.restart()
    await appending
    await follower.has(1)
    await follower.stop()
  })

  test.each([
    ['the server cannot say what it can do', ['--fail-features', '1'], 'esdb'],
    ['no server can be found', [], 'esdb+discover'],
  ])('%s at first: the client would keep that for ever, and is replaced', async (_what, args, scheme) => {
    const server = await testEventStoreDb(...args)
    const url = `${scheme}://localhost:${server.port}?tls=false&maxDiscoverAttempts=1`
    const store = testEventStore(url, newPrefix(), { attemptMs: 20_000, callMs: 40_000 })
    if (scheme === 'esdb+discover') await server.kill()
    const appending = store.append('thing-1', NO_STREAM, [happening(1)])
    if (scheme === 'esdb+discover') await server.restart()
    await appending
    expect(await store.readStream('thing-1')).toHaveLength(1)
  })

  test('a place in the log where no event is: what is at hand is told, all else cannot be read', async () => {
    const store = testEventStore(shared.url())
    const position = await store.append('thing-1', NO_STREAM, [happening(1)])
    const usual = startSubscriber(store)
    await usual.has(1)
    await usual.stop()
    const beyond = startSubscriber(store, position + 1n)
    const between = startSubscriber(store, position - 1n)
    await store.append('thing-1', 0, [happening(2)])
    await beyond.has(1)
    await beyond.stop()
    expect(beyond.events.map(({ data }) => data)).toEqual([{ n: 2 }])
    await expect(between.stop()).rejects.toThrow(StoreUnavailable)
  })
})

describe.runIf(shared.isStandIn)('ways to a server', () => {
  test('TLS with a certificate authority of its own, and a login', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'zapini-tls-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
    await Promise.all([writeFile(keyFile, testKey), writeFile(certificateFile, testCertificate)])
    const server = await testEventStoreDb(
      ...['--key', keyFile, '--certificate', certificateFile, '--login', 'admin:changeit'],
    )
    const store = testEventStore(server.url)
    const follower = startSubscriber(store)
    await store.append('thing-1', NO_STREAM, [happening(1)])
    await follower.has(1)
    await follower.stop()
    await store.close()

    const stranger = testEventStore(server.url.replace('changeit', 'wrong'))
    await expect(stranger.append('thing-2', NO_STREAM, [happening(1)])).rejects.toThrow(/refuses/)
    await expect(stranger.readStream('thing-1')).rejects.toThrow(/refuses/)
  })

  test('a cluster, found by gossip', async () => {
    const server = await testEventStoreDb()
    const store = testEventStore(`esdb+discover://localhost:${server.port}?tls=false`)
    const follower = startSubscriber(store, START)
    await store.append('thing-1', NO_STREAM, [happening(1)])
    await follower.has(1)
    await server.kill()
    await server.restart()
    await store.append('thing-1', 0, [{ ...happening(2), id: newId() }])
    await follower.has(2)
    await follower.stop()
  })
})
