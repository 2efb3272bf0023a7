import { onTestFinished } from 'vitest'
import { postgresSealingKeys } from '../../src/adapters/postgres/sealing-keys.ts'
import { sealedStore } from '../../src/sealed-store.ts'
import { testLog } from './log.ts'

/** A log on a database of its own, in which what is personal is sealed. */
export const sealedLog = async (master?: Buffer) => {
  const log = await testLog()

  /** One more program on the same database. */
  const openSealed = ({ pool, store: stored } = log.openProcess(), key = master) => {
    const onError = (error: unknown) => void log.errors.push(error)
    const keys = postgresSealingKeys({ pool, listenPool: pool, master: key, alone: true, onError })
    onTestFinished(keys.close)
    return { pool, stored, keys, store: sealedStore(stored, keys) }
  }
  return { ...log, ...openSealed(log), openSealed }
}
