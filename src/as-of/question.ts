import type { ReadModel } from '../projections/read-models.ts'

/** What is asked about; `ref` is a UUID or number. */
export type Subject =
  | { readonly kind: 'conversation' | 'contact'; readonly ref: string }
  /** Everybody whom the account knows. */
  | { readonly kind: 'contacts' }
  /** What was counted from one time to another, of one instance or of all. */
  | {
      readonly kind: 'activity'
      readonly since: string
      readonly until: string
      readonly instance?: string | undefined
    }
  /** All that the account has in the read models that are asked. */
  | { readonly kind: 'account' }

/** A question about the past: what the log had recorded by a time. */
export type Question = {
  readonly tenantId: string
  /** ISO 8601 in UTC, with milliseconds. */
  readonly at: string
  readonly subject: Subject
  /** The read models that the answer is made from. */
  readonly models: readonly ReadModel[]
}
