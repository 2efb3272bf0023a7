import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A way to a server on this machine that a test can cut, hold up, or make lose answers. */
export const startTcpProxy = async (port: number) => {
  const pairs = new Set<readonly [Socket, Socket]>()
  let cutAfterBytes = Infinity
  let isMute = false

  const cut = () => {
    for (const [near, far] of pairs) {
      near.destroy()
      far.destroy()
    }
    pairs.clear()
  }

  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    const pair = [near, far] as const
    pairs.add(pair)
    const end = () => {
      near.destroy()
      far.destroy()
      pairs.delete(pair)
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    near.on('data', (part) => {
      cutAfterBytes -= part.length
      if (cutAfterBytes > 0) return void far.write(part)
      cutAfterBytes = Infinity
      far.write(part.subarray(0, Math.ceil(part.length / 2)), cut)
    })
    far.on('data', (part) => {
      if (!isMute) near.write(part)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    cut()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    /** Breaks all connections. */
    cut,
    /** Breaks them once so many bytes more have gone to the server, in the middle of what is being sent. */
    cutAfter: (bytes: number) => void (cutAfterBytes = bytes),
    /** From now on answers are lost; the server gets everything. */
    mute: () => void (isMute = true),
    unmute: () => void (isMute = false),
  }
}
