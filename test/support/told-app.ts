import { createWorkPool } from '../../src/adapters/postgres/pool.ts'
import { sandboxGateway } from '../../src/adapters/sandbox/gateway.ts'
import type { GatewayListener } from '../../src/ports/gateway.ts'
import { startApp } from './app.ts'
import { createConnectedInstance } from './client.ts'
import { createTestDatabase } from './database.ts'
import { eventually } from './eventually.ts'

/** The application with a sandbox phone whose gateway a test can speak as: it tells the listener what it likes. */
export const startToldApp = async (environment: Record<string, string> = {}) => {
  const database = await createTestDatabase()
  const pool = createWorkPool(database.url, { max: 4, onError: () => {} })
  const sandbox = sandboxGateway(pool, () => {})
  const listeners = new Map<string, GatewayListener>()
  const gateway: typeof sandbox = {
    ...sandbox,
    open: (session, listener) => {
      listeners.set(session.instanceId, listener)
      return sandbox.open(session, listener)
    },
  }
  const app = await startApp(environment, { gateways: { sandbox: gateway }, sandbox }, database)

  return {
    ...app,
    /** A new instance whose phone is paired, and who is told what happens there. */
    pair: async (client = app.admin) => {
      const instance = await createConnectedInstance(client)
      const listener = await eventually(() => {
        const found = listeners.get(instance)
        if (!found) throw new Error('No session is open')
        return found
      })
      return { instance, listener }
    },
    stop: async () => {
      await app.leave()
      await pool.end()
      await database.drop()
    },
  }
}
