import type { NumberedKind } from '../ports/numbers.ts'
import { projection, type Change } from './projection.ts'

export type HighestNumberRow = { id: NumberedKind; number: number }

/** Whether or not what has it is still there. */
const given =
  (kind: NumberedKind) =>
  ({ data: { number } }: { readonly data: { readonly number: number } }): Change<HighestNumberRow>[] => [
    { key: kind, evolve: (row) => (row && row.number >= number ? row : { id: kind, number }) },
  ]

/** The highest number given of each kind, so that on a database made anew from a log none is given again. */
export const numbers = projection<HighestNumberRow>({
  name: 'highest_number',
  version: 2,
  key: 'id',
  columns: { id: 'text', number: 'bigint not null' },
  indexes: [],
  // Wanted at a start only.
  restMs: 2000,
  on: {
    TenantCreated: given('tenant'),
    UserCreated: given('user'),
    TokenIssued: given('token'),
    InstanceCreated: given('instance'),
    ConversationStarted: given('conversation'),
    MessageQueued: given('message'),
    MessageReceived: given('message'),
    MessageSentFromPhone: given('message'),
    ContactCreated: given('contact'),
    ContactLearned: given('contact'),
    ContactUnited: given('contact'),
    AutomationCreated: given('automation'),
  },
})
