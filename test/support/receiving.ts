import { createLocalTurns } from '../../src/local-turns.ts'
import { postgresNumbers } from '../../src/adapters/postgres/numbers.ts'
import { createAddresses } from '../../src/write/addresses.ts'
import { createContacts } from '../../src/write/contacts.ts'
import { createConversations, createFollowConversation } from '../../src/write/conversations.ts'
import { createLinkAddresses } from '../../src/write/link-addresses.ts'
import { createReceive } from '../../src/write/receive.ts'
import type { Turns } from '../../src/ports/turns.ts'
import type { TestLog } from './log.ts'

type Parts = Pick<Parameters<typeof createReceive>[0], 'startConversation'> &
  Omit<Parameters<typeof createContacts>[0], 'addresses'>

const noFiles = () => Promise.reject(new Error('No files come in here'))
const withoutFiles = {
  media: { spool: noFiles, keep: noFiles, find: noFiles },
  baseUrl: 'http://localhost',
}

/** What comes from WhatsApp becomes facts, but for files and links between addresses. */
export const receiveWithoutFiles = (parts: Parts) =>
  createReceive({
    ...parts,
    followConversation: createFollowConversation(parts.load),
    addresses: createAddresses(parts),
    linkAddresses: () => Promise.resolve(),
    contacts: createContacts(parts),
    ...withoutFiles,
  })

type Program = Pick<TestLog, 'transact' | 'load' | 'recall' | 'pool'> & {
  readonly inTurn?: Turns
  readonly alone?: boolean
}

/** The receiving part of a program, put together as the application does, but for files. */
export const startReceiving = ({ pool, inTurn = createLocalTurns(), alone = true, ...log }: Program) => {
  const addresses = createAddresses(log)
  const parts = { ...log, addresses, numbers: postgresNumbers(pool) }
  const hasAutomation = () => Promise.resolve(false)
  const conversations = createConversations({ ...parts, hasAutomation, alone })
  const contacts = createContacts(parts)
  const linkAddresses = createLinkAddresses({ ...parts, inTurn, conversations, contacts })
  const { startConversation, follow: followConversation } = conversations
  const receive = createReceive({
    ...parts,
    startConversation,
    followConversation,
    linkAddresses,
    contacts,
    ...withoutFiles,
  })
  return { receive, contacts, conversations }
}
