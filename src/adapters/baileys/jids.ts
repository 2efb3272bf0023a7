import { isGroup } from '../../domain/values.ts'
import type { Account } from './told.ts'

const PERSON = 's.whatsapp.net'
const HIDDEN = 'lid'
const GROUP = 'g.us'
/** Servers of people, and what they are called in the log. */
const servers = new Map([
  [PERSON, PERSON],
  ['c.us', PERSON],
  ['hosted', PERSON],
  [HIDDEN, HIDDEN],
  ['hosted.lid', HIDDEN],
])

export const isHidden = (jid: string) => jid.endsWith(`@${HIDDEN}`)

/** As the log has it, without the device; undefined for whatever is neither a person nor a group. */
export const jidOf = (given: unknown): string | undefined => {
  if (typeof given !== 'string') return undefined
  const [, user = '', server = ''] = /^([^@]{1,60})@([^@]{1,20})$/.exec(given) ?? []
  if (server === GROUP) return /^\d[\d-]{4,39}$/.test(user) ? given : undefined
  const kept = servers.get(server)
  const [digits = ''] = user.split(/[:_]/, 1)
  return kept !== undefined && /^\d{5,20}$/.test(digits) ? `${digits}@${kept}` : undefined
}

const numbered = (given: unknown): string | undefined => {
  const jid = jidOf(given)
  return jid === undefined || isHidden(jid) || isGroup(jid) ? undefined : jid
}

type Given = { readonly account: Account; readonly pnOf: (lid: string) => string | undefined }

/**
 * People by the address that they are known by: the phone number, where one is known for the hidden id. `pairs` has
 * what was learnt on the way, the hidden id first.
 */
export const addressBook = ({ account, pnOf }: Given) => {
  const own = jidOf(account.jid) ?? account.jid
  const ownHidden = jidOf(account.lid)
  const pairs = new Map<string, string>()

  const isOwn = (given: unknown) => {
    const jid = jidOf(given)
    return jid !== undefined && (jid === own || jid === ownHidden)
  }

  /** Two addresses of one person, if that is what they are. */
  const pair = (one: unknown, other: unknown) => {
    const jids = [jidOf(one), jidOf(other)]
    const hidden = jids.find((jid) => jid !== undefined && isHidden(jid))
    const number = jids.map(numbered).find((jid) => jid !== undefined)
    // What WhatsApp gives beside the other side of our own messages may be our own address.
    if (hidden === undefined || number === undefined || isOwn(hidden) || isOwn(number)) return
    pairs.set(hidden, number)
  }

  /** `others` are further addresses of the same person. */
  const person = (given: unknown, ...others: readonly unknown[]): string | undefined => {
    const jid = jidOf(given)
    if (jid === undefined || isGroup(jid)) return undefined
    if (isOwn(jid)) return own
    for (const other of others) pair(jid, other)
    if (!isHidden(jid)) return jid
    const kept = pnOf(jid)
    if (!pairs.has(jid)) pair(jid, kept)
    return pairs.get(jid) ?? jid
  }

  return { own, isOwn, pair, person, pairs: pairs as ReadonlyMap<string, string> }
}
