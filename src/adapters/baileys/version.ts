import { DEFAULT_CONNECTION_CONFIG, fetchLatestWaWebVersion, type WAVersion } from '@whiskeysockets/baileys'

const ASK_TIMEOUT_MS = 5000
const FRESH_MS = 24 * 3_600_000

type Options = {
  /** `2.3000.1234567890`: always that one. */
  readonly fixed?: string
  /** Whether the sockets lead to WhatsApp itself, which can then be asked. */
  readonly isReal: boolean
  readonly ask?: (signal: AbortSignal) => Promise<WAVersion | undefined>
  readonly now?: () => number
}

/**
 * The version of WhatsApp Web to appear as. The one that came with the library gets old, and then nothing can be paired
 * any more; so WhatsApp is asked, now and then. No answer: the last one, or else the library's.
 */
export const createVersions = ({ fixed, isReal, ask = askWhatsApp, now = Date.now }: Options) => {
  let known: WAVersion = fixed === undefined ? DEFAULT_CONNECTION_CONFIG.version : parse(fixed)
  let freshUntil = 0
  let asking: Promise<void> | undefined

  const renew = async () => {
    const latest = await ask(AbortSignal.timeout(ASK_TIMEOUT_MS)).catch(() => undefined)
    freshUntil = now() + (latest ? FRESH_MS : ASK_TIMEOUT_MS)
    known = latest ?? known
    asking = undefined
  }

  return {
    current: async (): Promise<WAVersion> => {
      if (fixed === undefined && isReal && now() >= freshUntil) await (asking ??= renew())
      return known
    },
    /** WhatsApp did not like it. */
    doubt: () => {
      freshUntil = 0
    },
  }
}
export type Versions = ReturnType<typeof createVersions>

const askWhatsApp = async (signal: AbortSignal) => {
  const { version, isLatest } = await fetchLatestWaWebVersion({ signal })
  return isLatest ? version : undefined
}

const parse = (text: string): WAVersion => {
  const [major = 0, minor = 0, patch = 0] = text.split('.').map(Number)
  return [major, minor, patch]
}
