import type { BaileysEventMap } from '@whiskeysockets/baileys'
import { isGroup } from '../../domain/values.ts'
import { fieldsOf, listOf } from '../../domain/whatsapp-fields.ts'
import { jidOf } from './jids.ts'
import { nameOf, type Reader } from './reading.ts'
import type { Told } from './told.ts'

/** What is said of people, as far as anything is; of a group, that it has another picture. */
export const newsOf = ({ people, present }: Reader, contacts: unknown): Told[] =>
  listOf(contacts).flatMap((given): Told[] => {
    const { id, lid, phoneNumber, name, notify, verifiedName, imgUrl } = { ...fieldsOf(given) }
    people.pair(id, lid)
    people.pair(id, phoneNumber)
    people.pair(lid, phoneNumber)
    const pictureChanged = imgUrl === 'changed' || imgUrl === 'removed'
    const known = jidOf(id)
    const group = known !== undefined && isGroup(known) ? known : undefined
    if (group !== undefined)
      return pictureChanged ? [{ kind: 'contact', news: { jid: group, pictureChanged, at: present } }] : []
    const jid = people.person(id, phoneNumber)
    const business = nameOf(verifiedName)
    const [savedName, pushName] = [nameOf(name), nameOf(notify) ?? business]
    const said = {
      ...(savedName !== undefined && { savedName }),
      ...(pushName !== undefined && { pushName }),
      ...(business !== undefined && { isBusiness: true as const }),
      ...(pictureChanged && { pictureChanged }),
    }
    if (jid === undefined || people.isOwn(jid) || Object.keys(said).length === 0) return []
    return [{ kind: 'contact', news: { jid, ...said, at: present } }]
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
