import type { Socket } from 'node:net'
import { api, type Api, type Broker, type Session } from './api.ts'
import { groupApis } from './group-apis.ts'
import { loginApis } from './login-apis.ts'
import { recordApis } from './record-apis.ts'
import { topicApis } from './topic-apis.ts'
import { all, array, createReader, ErrorCode, int16, int32 } from './wire.ts'

const API_VERSIONS = 18

const apiVersions = api(API_VERSIONS, 2, () =>
  all(
    int16(ErrorCode.NONE),
    array(apis, ({ key, version }) => all(int16(key), int16(version), int16(version))),
    int32(0),
  ),
)
const apis: readonly Api[] = [apiVersions, ...recordApis, ...topicApis, ...groupApis, ...loginApis]

/** Answers the requests of one connection, in their order. */
export const serveConnection = (socket: Socket, broker: Broker, session: Session) => {
  let unread = Buffer.alloc(0)
  let answered = Promise.resolve()

  const answer = async (frame: Buffer): Promise<Buffer> => {
    const request = createReader(frame)
    const [key, version, correlation] = [request.int16(), request.int16(), request.int32()]
    session.clientId = request.nullableString() ?? ''
    const found = apis.find((one) => one.key === key && one.version === version)
    if (!found) throw new Error(`Version ${version} of request ${key} is not known to this stand-in`)
    return all(int32(correlation), await found.answer(request, broker, session))
  }

  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (part) => {
    unread = Buffer.concat([unread, typeof part === 'string' ? Buffer.from(part) : part])
    while (unread.length >= 4) {
      const end = 4 + unread.readInt32BE(0)
      if (unread.length < end) break
      const frame = unread.subarray(4, end)
      unread = unread.subarray(end)
      answered = answered
        .then(async () => {
          const body = await answer(frame)
          socket.write(all(int32(body.length), body))
        })
        .catch((error: unknown) => {
          process.stderr.write(`${String(error)}\n`)
          socket.destroy()
        })
    }
  })
}
