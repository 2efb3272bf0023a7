import type { Kysely } from 'kysely'
import type { AskIntegration } from '../domain/integration.ts'
import { type Provider } from '../domain/instance.ts'
import type { EventStore, Position } from '../ports/event-store.ts'
import type { Gateway } from '../ports/gateway.ts'
import type { MediaStore } from '../ports/media-store.ts'
import type { Numbers } from '../ports/numbers.ts'
import type { SandboxPhone } from '../ports/sandbox.ts'
import type { Database } from '../projections/database.ts'
import type { projections } from '../projections/index.ts'
import type { Settings } from '../settings.ts'
import type { Accounts } from '../write/accounts.ts'
import type { Groups } from '../write/groups.ts'
import type { Contacts } from '../write/contacts.ts'
import type { Delete } from '../write/delete.ts'
import type { MediaKeeper } from '../write/media.ts'
import type { Owners } from '../write/owners.ts'
import type { Receive } from '../write/receive.ts'
import type { Send } from '../write/send.ts'
import type { Tags } from '../write/tags.ts'
import type { Load, Transact } from '../write/transact.ts'
import type { Users } from '../write/users.ts'
import type { Deliveries } from '../webhooks/deliveries.ts'
import type { IsStillAllowed } from './auth.ts'
import type { OpenEventStream } from './event-streams.ts'

/** What the routes are given to work with. */
export type Services = {
  readonly db: Kysely<Database>
  readonly transact: Transact
  readonly load: Load
  readonly numbers: Numbers
  readonly accounts: Accounts
  readonly users: Users
  readonly contacts: Contacts
  readonly delete: Delete
  readonly tags: Tags
  readonly send: Send
  readonly receive: Receive
  readonly groups: Groups
  readonly media: MediaKeeper
  readonly mediaStore: MediaStore
  readonly deliveries: Deliveries
  readonly openEventStream: OpenEventStream
  readonly isStillAllowed: IsStillAllowed
  readonly askIntegration: AskIntegration
  /** The log itself, for what is told of the past. */
  readonly readStream: EventStore['readStream']
  readonly sandbox: SandboxPhone | undefined
  /** Those of which instances can be made here. */
  readonly providers: readonly Provider[]
  readonly owners: Owners
  /** The gateway of an instance whose session is at this node. */
  readonly gatewayOf: (instanceId: string) => Gateway | undefined
  /** Whether an automation of the instance is enabled. */
  readonly hasAutomation: (instanceId: string) => Promise<boolean>
  /** Waits, within bounds, until read models know everything written so far. */
  readonly freshen: (...names: (keyof typeof projections)[]) => Promise<void>
  /** Waits, within bounds, until read models know a position: for settings, that the next call relies on. */
  readonly caughtUp: (position: Position, ...names: (keyof typeof projections)[]) => Promise<void>
  /** Why a URL given by a user may not be called, in plain words; undefined if it may. */
  readonly refusedUrl: (url: string) => string | undefined
  readonly settings: Pick<
    Settings,
    'userTokenDays' | 'dailyMessageLimit' | 'mediaRetentionDays' | 'publicUrl'
  >
}
