import { chmod, mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProgram, type Program } from '../support/program.ts'

export const ADMIN = { email: 'admin@example.com', password: 'a long password' }

const endProcess = (pid: number) => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

/**
 * A data directory of its own, and the program on it, on its embedded default. `remove` ends what still runs there: a
 * PostgreSQL server outlives a program that is killed.
 */
export const createHome = async (environment: Record<string, string> = {}) => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'zapini-e2e-')))
  // PostgreSQL runs as another account where the tests run as root.
  await chmod(directory, 0o711)
  const dataDir = join(directory, 'data')
  const programs: Program[] = []

  const postgresPid = async (): Promise<number | undefined> => {
    const file = join(dataDir, 'postgres/cluster/data/postmaster.pid')
    const pid = parseInt(await readFile(file, 'utf8').catch(() => ''), 10)
    return pid > 0 ? pid : undefined
  }

  return {
    dataDir,
    postgresPid,
    databaseLog: () => readFile(join(dataDir, 'postgres/server.log'), 'utf8'),
    start: async (more: Record<string, string> = {}) => {
      const program = await startProgram({
        DATA_DIR: dataDir,
        OUTBOUND_ALLOW: '127.0.0.0/8',
        RATE_LIMIT_REQUESTS: '0',
        ...environment,
        ...more,
      })
      programs.push(program)
      return program
    },
    killPostgres: async () => {
      const pid = await postgresPid()
      if (pid === undefined) throw new Error('There is no PostgreSQL to kill')
      endProcess(pid)
    },
    remove: async () => {
      await Promise.all(programs.map((program) => program.kill()))
      const pid = await postgresPid()
      if (pid !== undefined) endProcess(pid)
      await rm(directory, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}
export type Home = Awaited<ReturnType<typeof createHome>>
