import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** Kinds of requests, by Kafka's own numbers. */
export const RequestKey = { produce: 0, heartbeat: 12 } as const
type Key = (typeof RequestKey)[keyof typeof RequestKey]
/** A heartbeat's answer begins with length, correlation id and a throttle time. */
const HEARTBEAT_ERROR_AT = 12

type Fault = {
  readonly key: Key
  readonly spoil: (answer: Buffer, client: Socket) => void
  /** How many answers more it spoils. */
  times: number
}

/** Stands between a client and a broker, and spoils the next answers to a kind of request. */
export const startKafkaProxy = async (port: number, target: () => number) => {
  let fault: Fault | undefined
  const sockets = new Set<Socket>()
  const counts = new Map<number, number>()

  const server = createServer((client) => {
    const broker = connect(target(), '127.0.0.1')
    /** The kinds of the requests that are not answered yet; answers come in their order. */
    const asked: number[] = []
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    client.on(
      'data',
      byFrame((frame) => {
        const key = frame.readInt16BE(4)
        asked.push(key)
        counts.set(key, (counts.get(key) ?? 0) + 1)
        broker.write(frame)
      }),
    )
    broker.on(
      'data',
      byFrame((frame) => {
        if (asked.shift() !== fault?.key || !fault) return client.write(frame)
        const { spoil } = fault
        if (--fault.times === 0) fault = undefined
        return spoil(frame, client)
      }),
    )
  })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))

  return {
    port: (server.address() as AddressInfo).port,
    /** The broker has done what was asked for, and nobody hears of it. */
    loseAnswerTo: (key: Key, times = 1) => {
      fault = { key, times, spoil: (_, client) => client.destroy() }
    },
    refuseHeartbeat: (code: number) => {
      const spoil = (answer: Buffer, client: Socket) => {
        answer.writeInt16BE(code, HEARTBEAT_ERROR_AT)
        client.write(answer)
      }
      fault = { key: RequestKey.heartbeat, times: 1, spoil }
    },
    heal: () => {
      fault = undefined
    },
    /** Requests of a kind so far. */
    count: (key: Key) => counts.get(key) ?? 0,
    isSpoiling: () => fault !== undefined,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** Each frame whole, with its length at the front. */
const byFrame = (take: (frame: Buffer) => unknown) => {
  let unread = Buffer.alloc(0)
  return (part: Buffer) => {
    unread = Buffer.concat([unread, part])
    while (unread.length >= 4) {
      const end = 4 + unread.readInt32BE(0)
      if (unread.length < end) break
      take(Buffer.from(unread.subarray(0, end)))
      unread = unread.subarray(end)
    }
  }
}
