import type { WASocket } from '@whiskeysockets/baileys'
import { CallRefused, type OpenSocket } from '../../../src/adapters/baileys/ask.ts'

/** A connection whose calls end as told, and that knows these numbers; nothing else of a socket is there. */
export const openWith = (
  calls: Partial<WASocket>,
  known: readonly { readonly lid: string; readonly pn: string }[] = [],
): OpenSocket => ({
  sock: {
    ...calls,
    signalRepository: {
      lidMapping: {
        getPNsForLIDs: () => Promise.resolve(known),
        getLIDForPN: (pn: string) => Promise.resolve(known.find((pair) => pair.pn === pn)?.lid ?? null),
      },
    },
  } as unknown as WASocket,
  ask: (_name, call) => call(),
})

export const refusing = (code: number) => () => Promise.reject(new CallRefused(code, 'refused'))
