import { createAddresses } from '../../src/write/addresses.ts'
import { createContacts } from '../../src/write/contacts.ts'
import { createFollowConversation } from '../../src/write/conversations.ts'
import { createReceive } from '../../src/write/receive.ts'

type Parts = Pick<Parameters<typeof createReceive>[0], 'startConversation'> &
  Omit<Parameters<typeof createContacts>[0], 'addresses'>

const noFiles = () => Promise.reject(new Error('No files come in here'))

/** What comes from WhatsApp becomes facts, but for files and links between addresses. */
export const receiveWithoutFiles = (parts: Parts) =>
  createReceive({
    ...parts,
    followConversation: createFollowConversation(parts.load),
    addresses: createAddresses(parts),
    linkAddresses: () => Promise.resolve(),
    contacts: createContacts(parts),
    media: { spool: noFiles, keep: noFiles, find: noFiles },
    baseUrl: 'http://localhost',
  })
