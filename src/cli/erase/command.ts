import { parseArgs } from 'node:util'
import { Kysely, PostgresDialect } from 'kysely'
import type { Pool } from 'pg'
import { openCopies, type Storage } from '../../storage.ts'
import { readCheckpoints } from '../../projections/checkpoint.ts'
import type { Database } from '../../projections/database.ts'
import { projections } from '../../projections/index.ts'
import type { AnyProjection } from '../../projections/projection.ts'
import { scrubWebhooks } from '../../webhooks/scrub.ts'
import { createDelete } from '../../write/delete.ts'
import { createErase } from '../../write/erase.ts'
import { createTransact } from '../../write/transact.ts'
import { visit, WrongUsage, type Command, type Given } from '../command.ts'
import { confirm } from '../confirm.ts'
import { carryOut, countPlain } from './carry-out.ts'
import { createTargets, type Targets } from './targets.ts'
import { vacuum } from './vacuum.ts'

const options = {
  conversation: { type: 'string' },
  contact: { type: 'string' },
  person: { type: 'string' },
  tenant: { type: 'string' },
  vacuum: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
} as const

const several = (count: number, one: string, more = `${one}s`) => `${count} ${count === 1 ? one : more}`

const describe = ({ conversations, contacts, addresses, messages }: Targets) =>
  [
    several(conversations.length, 'conversation'),
    several(contacts.length, 'contact'),
    ...(addresses.length > 0 ? [several(addresses.length, 'address', 'addresses')] : []),
    ...(messages.length > 0 ? [several(messages.length, 'message') + ' in groups'] : []),
  ].join(', ')

const BEYOND = `What is out of reach of this program, and yours to do: records that are in Kafka until their retention ends, \
backups, what receivers of webhooks and integrations have kept, and the phones themselves.
`
const IN_GROUPS = `In groups, messages of the person were taken back, as if on the phone: nobody is shown them any more. In the log \
they, the sender's number and name, and mentions stay sealed with the key of the group, and go when its conversation is erased.
`
const inPlain = (
  count: number,
) => `Of ${count} of these, something was stored before there were keys. It is not sealed, and stays readable in the log: \
by zapini audit, by as_of, and in exports.
`
const SPACE = `Their space in the files of the database is used again in time; with --vacuum it is cleared at once.
`

/** What there is of somebody is found in read models: without them, not all would be. */
const mustHaveReadModels = async (pool: Pool) => {
  const all: readonly AnyProjection[] = Object.values(projections)
  const made = await readCheckpoints(pool, all)
  if (all.some(({ name }) => !made.has(name)))
    throw new Error(
      'There are read models that were not made yet. Run "zapini replay", then the same command again.',
    )
}

const run = async (given: Given, storage: Storage, interrupted: AbortSignal) => {
  const { values } = parseArgs({ args: [...given.args], options })
  const { conversation, contact, person, tenant } = values
  const { out, progress } = given.screen
  const { pool, store, stored, keys, beside, clearLog } = storage
  await mustHaveReadModels(pool)
  const { media, scrubs, erasures } = await openCopies(given.config, storage)
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
  const { transact, load } = createTransact(store, () => {}, keys.changes)
  const erasing = createErase({
    ...{ transact, load, store, stored, keys, erasures },
    scrubs: [scrubWebhooks(pool), ...scrubs],
  })
  const deletion = createDelete({ transact, keys, ownersOf: erasing.ownersOf })
  const targets = createTargets({ db, store, stored, keys, load, transact, deletion })
  try {
    const found =
      conversation !== undefined
        ? await targets.conversation(conversation, tenant)
        : contact !== undefined
          ? await targets.contact(contact, tenant)
          : await targets.person(person ?? '', tenant)
    if (!values.yes && !(await confirm(`Erase ${describe(found)} for good?`))) {
      out.write('Nothing was erased.\n')
      return 1
    }
    await targets.remove(found)
    await carryOut(
      {
        ...{ pool, store, keys, transact, load, erasing, beside, interrupted },
        mediaStore: media.store,
        output: progress,
      },
      found,
    )
    if (values.vacuum) await vacuum({ pool, clearLog, output: progress, interrupted })
    out.write(`Erased: ${describe(found)}.\n`)
    const plain = await countPlain(stored, erasing, found)
    if (plain > 0) out.write(inPlain(plain))
    if (person !== undefined) out.write(IN_GROUPS)
    if (!values.vacuum) out.write(SPACE)
    out.write(BEYOND)
    return 0
  } finally {
    await media.close()
  }
}

export const eraseCommand: Command = {
  synopsis: '--conversation ID | --contact ID | --person PHONE [--tenant ID]',
  summary: `makes what was said in a conversation, or is known of a contact, unreadable for
good: in the log, the tables and the media folder. ID is a UUID or a number. A
person is forgotten in all conversations and contacts of the tenant. --vacuum
also clears the files of the database; --yes does not ask. A server may run
meanwhile. Interrupted, the same command goes on.`,
  run: (given) => {
    const { conversation, contact, person } = parseArgs({ args: [...given.args], options }).values
    if ([conversation, contact, person].filter((one) => one !== undefined).length !== 1)
      throw new WrongUsage('Say one of --conversation, --contact and --person.')
    return visit(given, (storage, interrupted) => run(given, storage, interrupted))
  },
}
