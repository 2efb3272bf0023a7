import type { BinaryNode, WASocket } from '@whiskeysockets/baileys'

/** What WhatsApp says to a message: it has it, it does not want it (with its code), or nothing in time. */
export type Ack = { readonly kind: 'good' | 'none' } | { readonly kind: 'bad'; readonly code: number }

/** Listens to what WhatsApp says to the messages of one socket; the library tells of bad news only. */
export const createAcks = ({ ws }: Pick<WASocket, 'ws'>) => {
  const expected = new Map<string, (ack: Ack) => void>()
  ws.on('CB:ack,class:message', ({ attrs: { id, error } }: BinaryNode) =>
    expected.get(id ?? '')?.(error === undefined ? { kind: 'good' } : { kind: 'bad', code: Number(error) }),
  )

  /** To be called before the message goes out. `in` starts the clock; whoever no longer waits says so. */
  return (id: string) => {
    let timer: NodeJS.Timeout | undefined
    let resolve: (ack: Ack) => void = () => undefined
    const came = new Promise<Ack>((done) => {
      resolve = done
    })
    expected.set(id, resolve)
    return {
      within: (ms: number): Promise<Ack> => {
        timer = setTimeout(() => resolve({ kind: 'none' }), ms)
        return came
      },
      forget: () => {
        clearTimeout(timer)
        if (expected.get(id) === resolve) expected.delete(id)
      },
    }
  }
}
