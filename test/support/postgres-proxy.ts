import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import pg from 'pg'
import { onTestFinished } from 'vitest'

/** A way to a database that can be cut, or made to hang, as a network does. */
export const proxyTo = async (connectionString: string) => {
  const { host, port, user, password, database } = new pg.Client({ connectionString })
  const reach = () => (host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host))
  const sockets = new Set<Socket>()
  let isCut = false
  let isHanging = false
  const carry = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.on('data', (part) => isHanging || to.write(part))
    from.on('error', () => {})
    from.on('close', () => (sockets.delete(from), to.destroy()))
  }
  const server = createServer((near) => {
    if (isCut) return void near.destroy()
    const far = reach()
    carry(near, far)
    carry(far, near)
  })
  const endAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    endAll()
    server.close()
  })
  const own = (server.address() as AddressInfo).port
  return {
    url: `postgresql://${user}:${password}@127.0.0.1:${own}/${database}?sslmode=disable`,
    /** Ends all connections and takes no new ones. */
    cut: () => {
      isCut = true
      endAll()
    },
    /** Carries nothing any more; nobody is told. */
    hang: () => void (isHanging = true),
    /** Carries nothing for a while, and then everything. */
    hold: () => {
      for (const socket of sockets) socket.pause()
    },
    letGo: () => {
      for (const socket of sockets) socket.resume()
    },
    mend: () => {
      isCut = isHanging = false
      endAll()
    },
  }
}
