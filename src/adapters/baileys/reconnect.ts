/** How a socket came to its end. */
export type Ending = {
  /** WhatsApp's or the library's; undefined if none was given. */
  readonly code: number | undefined
  readonly message: string
}

export type Reconnect = {
  readonly kind: 'reconnect'
  readonly when: 'now' | 'backoff' | 'slowly'
  /** As the listener is told if it takes long. */
  readonly reason: string
  /** The version that this client says it has is too old. */
  readonly wantsVersion?: true
  /** For whoever runs this. */
  readonly alarm?: string
}
export type Stop = {
  readonly kind: 'stop'
  readonly reason: string
  /** The pairing is over: keys that are of no use any more go. */
  readonly wipes?: true
  readonly alarm?: string
}
/** What is done after the end of a socket. */
export type Verdict = Reconnect | Stop

const backoff = (reason = 'connection_lost'): Reconnect => ({ kind: 'reconnect', when: 'backoff', reason })

/**
 * What the end of a socket means. `wasReplaced`: its predecessor ended because of another connection with the same keys.
 *
 * Only WhatsApp itself ends a pairing. What stands between, a proxy that answers 401 for itself, is a fault of the
 * network, whatever its code.
 */
export const verdictOn = ({ code, message }: Ending, wasReplaced: boolean): Verdict => {
  if (message.startsWith('WebSocket Error')) return backoff()
  switch (code) {
    case 515:
      return { kind: 'reconnect', when: 'now', reason: 'restart_required' }
    case 401:
      return { kind: 'stop', reason: 'logged_out', wipes: true }
    case 402:
    case 403:
    case 406:
      return {
        kind: 'stop',
        reason: 'account_blocked',
        alarm: `WhatsApp has blocked the account (${code}). Its keys are kept`,
      }
    case 405:
      return {
        ...backoff('version_refused'),
        wantsVersion: true,
        alarm:
          'WhatsApp refuses this version of its client (405); another one is tried. See WHATSAPP_VERSION',
      }
    case 408:
      return message.startsWith('QR refs attempts ended') ? { kind: 'stop', reason: 'qr_expired' } : backoff()
    case 411:
      return { kind: 'stop', reason: 'multi_device_mismatch', alarm: 'The phone has to be updated (411)' }
    case 440:
      return wasReplaced
        ? {
            kind: 'stop',
            reason: 'replaced',
            alarm: 'Another connection uses the same pairing (440): a copy of the database, perhaps',
          }
        : { kind: 'reconnect', when: 'slowly', reason: 'replaced' }
    default:
      return backoff()
  }
}

export type Backoff = { readonly minMs: number; readonly maxMs: number }

/** A pause anywhere up to a limit that doubles with every failure in a row: many that fell together do not come together. */
export const backoffMs = (failures: number, { minMs, maxMs }: Backoff, random: () => number): number =>
  random() * Math.min(maxMs, minMs * 2 ** Math.min(failures, 30))
