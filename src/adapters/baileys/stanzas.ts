import type { EventEmitter } from 'node:events'
import type { BinaryNode } from '@whiskeysockets/baileys'
import { within } from '../within.ts'

const MESSAGE = 'CB:message'
const RECEIPT = 'CB:receipt'
/** What waits longer for something keeps all others waiting: its connection is given up. */
const HANDLING_MAX_MS = 120_000
type Wire = {
  readonly ws: Pick<EventEmitter, 'listeners' | 'removeAllListeners' | 'on' | 'prependListener'> & {
    readonly isOpen: boolean
  }
}

type InTurn = {
  /** Waited for before what the phone itself tells, which may be a part of the past, with thousands of messages. */
  readonly hasRoom: () => Promise<void>
  /** Hears of each message when its turn comes, before the library does. */
  readonly before: (message: BinaryNode) => void
  readonly onFailed: (error: unknown) => void
}

/**
 * Messages, and receipts of them, are handled one after the other, in the order in which WhatsApp sent them. By itself the
 * library begins with each as it comes, so that one can overtake another; and it puts a backlog aside, which all that
 * comes then overtakes: here a backlog is not marked as one. To be called right after makeWASocket, before others listen.
 */
export const handleInTurn = ({ ws }: Wire, { hasRoom, before, onFailed }: InTurn): void => {
  let last: Promise<void> = Promise.resolve()
  for (const event of [MESSAGE, RECEIPT]) {
    const handlers = ws.listeners(event)
    const handle = async (node: BinaryNode) => {
      // What is not acknowledged comes again.
      if (!ws.isOpen) return
      if (event === MESSAGE) before(node)
      for (const handler of handlers) {
        const done: unknown = Reflect.apply(handler, ws, [node])
        await done
      }
    }
    ws.removeAllListeners(event)
    ws.on(event, (node: BinaryNode) => {
      delete node.attrs['offline']
      const handled = last.then(async () => {
        if (node.attrs['category'] === 'peer') await hasRoom()
        await within(HANDLING_MAX_MS, handle(node), tooLong)
      })
      last = handled.catch(onFailed)
    })
  }
}

const tooLong = () => new Error(`A message or receipt was not handled within ${HANDLING_MAX_MS / 1000} s`)

/**
 * The library takes what is not encrypted as well, for channels, which are not heard here. Of anything else nobody knows
 * who said it.
 */
export const leaveOutPlaintext = ({ ws }: Wire, onError: (error: unknown) => void): void => {
  ws.prependListener(MESSAGE, (node: BinaryNode) => {
    if (!Array.isArray(node.content)) return
    const encrypted = node.content.filter(
      ({ tag, attrs }) => tag !== 'plaintext' && attrs['type'] !== 'plaintext',
    )
    if (encrypted.length === node.content.length) return
    node.content = encrypted
    onError(new Error('A message that is not encrypted was left out'))
  })
}
