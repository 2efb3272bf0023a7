import { createContacts } from '../../src/write/contacts.ts'
import { createReceive } from '../../src/write/receive.ts'

type Parts = Omit<Parameters<typeof createReceive>[0], 'contacts' | 'media' | 'baseUrl'> &
  Parameters<typeof createContacts>[0]

const noFiles = () => Promise.reject(new Error('No files come in here'))

/** What comes from WhatsApp becomes facts, but for files. */
export const receiveWithoutFiles = (parts: Parts) =>
  createReceive({
    ...parts,
    contacts: createContacts(parts),
    media: { spool: noFiles, keep: noFiles, find: noFiles },
    baseUrl: 'http://localhost',
  })
