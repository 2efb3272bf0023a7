import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { Refusal, type ErrorCode } from '../domain/errors.ts'
import { ensureFirstAccount, type Login } from '../first-account.ts'
import type { Position } from '../ports/event-store.ts'
import { hasAccounts } from '../projections/accounts.ts'
import type { Database } from '../projections/database.ts'
import type { ReadModels } from '../projections/read-models.ts'
import type { Accounts } from '../write/accounts.ts'
import type { Parts } from './parts.ts'
import type { Waiting } from './waiting.ts'

/** While starting, read models are looked at this often. */
const LOOK_MS = 200
/** The same where they know enough, and nobody is known who keeps them. */
const KEEPER_LOOK_MS = 10
/** A start that takes longer says what it waits for, and again from time to time. */
const SAY_AFTER_MS = 1500
const SAY_AGAIN_MS = 15_000

/** Another node is about to make the first account, or just made it. */
const comesLater: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['UNAVAILABLE', 'CONFLICT'])

type Given = {
  readonly parts: Parts
  readonly db: Kysely<Database>
  readonly readModels: ReadModels
  readonly waiting: Waiting
  readonly accounts: Accounts
}

/** What has to be before requests can be served. */
export const createStart = ({ parts, db, readModels, waiting, accounts }: Given) => {
  const { store, numbers, leases, turns: inTurn, node, settings, log } = parts

  /** What is not kept up to date yet. One that has stopped holds up nothing else, so the start does not wait for it. */
  const missing = (head: Position) =>
    readModels
      .status()
      .filter(({ state, position }) => state === 'starting' || (state === 'running' && position < head))

  const sayWhy = async (head: Position) => {
    const names = missing(head).map(({ name }) => name)
    const keeper = await leases.holderOf('projector')
    const fields = { part: 'start', keeper: keeper?.name, read_models: names }
    if (!keeper)
      log.warn(fields, 'waiting for the read models: no node with the role projector is at work on them')
    else if (keeper.name === node.name) log.info(fields, 'bringing the read models up to date')
    else
      log.info(
        fields,
        `waiting for the read models, which ${keeper.name} keeps; if it is gone, its lease runs out in some seconds`,
      )
  }

  const untilKept = async (head: Position, signal: AbortSignal) => {
    let sayAt = performance.now() + SAY_AFTER_MS
    while (missing(head).length > 0) {
      signal.throwIfAborted()
      if (performance.now() > sayAt) {
        sayAt = performance.now() + SAY_AGAIN_MS
        await sayWhy(head).catch((error: unknown) => log.warn({ err: error, part: 'start' }, 'still waiting'))
      }
      if (await readModels.reached(head, LOOK_MS, ...readModels.names)) await sleep(KEEPER_LOOK_MS)
    }
  }

  const makeIfThereIsNone = async () => {
    await waiting.mustKnowAll('tenants')
    await waiting.mustKnowAll('accounts')
    return ensureFirstAccount(db, accounts, parts.firstAccount)
  }

  /** Several nodes may start at once on an empty database: in turn, the second finds what the first has made. */
  const makeFirstAccount = async (signal: AbortSignal): Promise<Login | undefined> => {
    if (!settings.roles.includes('api')) return undefined
    while (!(await hasAccounts(db))) {
      try {
        return await inTurn('first account', makeIfThereIsNone)
      } catch (error) {
        if (!(error instanceof Refusal) || !comesLater.has(error.code)) throw error
        await sleep(LOOK_MS, undefined, { signal })
      }
    }
    return undefined
  }

  /** Resolves once requests can be served, with the first account if it was made just now. */
  const becomeReady = async (signal: AbortSignal): Promise<Login | undefined> => {
    const head = await store.head()
    await untilKept(head, signal)
    await numbers.align()
    if (!(await readModels.reached(head, LOOK_MS, 'tenants', 'accounts'))) return undefined
    const login = await makeFirstAccount(signal)
    if (login) await waiting.mustReach(login.position, signal, 'tenants', 'accounts')
    return login
  }
  return becomeReady
}
