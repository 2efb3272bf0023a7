import type { Pool } from 'pg'
import type { MediaRules } from '../domain/media-rules.ts'
import type { StreamTimes } from '../http/event-streams.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Bus } from '../ports/bus.ts'
import type { Counters } from '../ports/counters.ts'
import type { Erasures } from '../ports/erasures.ts'
import type { EventStore } from '../ports/event-store.ts'
import type { FetchFile } from '../ports/fetch-file.ts'
import type { Gateways } from '../ports/gateway.ts'
import type { Leases, Node } from '../ports/leases.ts'
import type { MediaStore } from '../ports/media-store.ts'
import type { Numbers } from '../ports/numbers.ts'
import type { Post } from '../ports/post.ts'
import type { SandboxPhone } from '../ports/sandbox.ts'
import type { Scrub } from '../ports/scrub.ts'
import type { SealingKeys } from '../ports/sealing-keys.ts'
import type { Turns } from '../ports/turns.ts'
import type { Settings } from '../settings.ts'

/** What the application is made of: `parts.ts` above gives the real ones, tests may give others. */
export type Parts = {
  readonly settings: Settings & { readonly version: string; readonly validateResponses?: boolean }
  readonly operatorToken?: string
  /** For a deployment without accounts; what is left out is made up. */
  readonly firstAccount: { readonly email: string | undefined; readonly password: string | undefined }
  /** For queries. */
  readonly pool: Pool
  /** For what is made from the log, and made again after a crash of the database. */
  readonly workPool: Pool
  readonly store: EventStore
  /** The same log as it is stored: what is sealed stays sealed. */
  readonly stored: EventStore
  /** Of what is personal in it. */
  readonly keys: SealingKeys
  readonly erasures: Erasures
  /** What takes copies of what is erased from tables and folders of adapters. */
  readonly scrubs: readonly Scrub[]
  readonly bus: Bus
  /** This process, as the other nodes know it. */
  readonly node: Node
  readonly leases: Leases
  readonly turns: Turns
  /** For the rate limits. */
  readonly counters: Counters
  readonly numbers: Numbers & { align(): Promise<void> }
  /** Those that this deployment offers. */
  readonly gateways: Gateways
  /** Instances, also those that do not exist any more, whose sessions a gateway keeps something of. */
  readonly keptSessions?: () => Promise<readonly string[]>
  /** Deletes what gateways have kept for long enough. */
  readonly purgeSessions?: () => Promise<void>
  readonly sandbox?: SandboxPhone
  /** For webhooks. */
  readonly post: Post
  /** For integrations: another one, so that neither waits for a connection of the other. */
  readonly integrationPost: Post
  readonly fetchFile: FetchFile
  readonly mediaStore: MediaStore
  /** Folder for files that are coming in. */
  readonly spoolFolder: string
  /** Other limits and formats than those of WhatsApp, for tests. */
  readonly mediaRules?: MediaRules
  /** Why a URL given by a user may not be called, in plain words; undefined if it may. */
  readonly refusedUrl: (url: string) => string | undefined
  /** Aborts when the server stops: answers that have no end of their own end then. */
  readonly stopping: AbortSignal
  /** For tests, which do not want to wait for long. */
  readonly streamTimes?: StreamTimes
  /** For tests, whose machine may be slow: how long a request waits for the read models to know what was written. */
  readonly catchUpMs?: number
  /** Nothing else works on this database: what an earlier process left under a lease is free. */
  readonly alone: boolean
  readonly log: Log
  readonly metrics: Metrics
}

/** Makes the listener for the faults of one part: they are logged, and the part tries again. */
export type Reporter = (part: string) => (error: unknown) => void
