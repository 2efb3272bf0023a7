import type { BaileysEventMap } from '@whiskeysockets/baileys'
import { isGroup } from '../../domain/values.ts'
import { fieldsOf, listOf } from '../../domain/whatsapp-content.ts'
import { jidOf } from './jids.ts'
import { nameOf, type Reader } from './reading.ts'
import type { Told } from './told.ts'

/** What is said of people, as far as it has a name for them. Groups stand among them in the history. */
export const newsOf = ({ people, present }: Reader, contacts: unknown): Told[] =>
  listOf(contacts).flatMap((given): Told[] => {
    const { id, lid, phoneNumber, name, notify, verifiedName } = { ...fieldsOf(given) }
    people.pair(id, lid)
    people.pair(id, phoneNumber)
    people.pair(lid, phoneNumber)
    const jid = people.person(id, phoneNumber)
    const [savedName, pushName] = [nameOf(name), nameOf(notify) ?? nameOf(verifiedName)]
    if (jid === undefined || people.isOwn(jid) || (savedName === undefined && pushName === undefined))
      return []
    const news = {
      jid,
      ...(savedName !== undefined && { savedName }),
      ...(pushName !== undefined && { pushName }),
      at: present,
    }
    return [{ kind: 'contact', news }]
  })

/** Pairs of addresses that WhatsApp tells by themselves. */
export const hearPairs = ({ people }: Reader, pairs: readonly unknown[]) => {
  for (const given of pairs) {
    const { lid, pn } = { ...fieldsOf(given) }
    people.pair(lid, pn)
  }
}

/** Names of groups that a batch mentions. */
export const subjectsIn = (batch: Partial<BaileysEventMap>): ReadonlyMap<string, string> => {
  const history = fieldsOf(batch['messaging-history.set'])
  const named = [
    ...listOf(history?.['chats']),
    ...listOf(batch['chats.upsert']),
    ...listOf(batch['chats.update']),
    ...listOf(batch['groups.upsert']),
    ...listOf(batch['groups.update']),
  ]
  const subjects = new Map<string, string>()
  for (const given of named) {
    const { id, subject, name } = { ...fieldsOf(given) }
    const [jid, called] = [jidOf(id), nameOf(subject) ?? nameOf(name)]
    if (jid !== undefined && isGroup(jid) && called !== undefined) subjects.set(jid, called)
  }
  return subjects
}
