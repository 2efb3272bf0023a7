import { createHash, randomBytes } from 'node:crypto'
import { invalid } from '../../domain/errors.ts'
import { isGroup, toJid, toPerson } from '../../domain/values.ts'
import type { SandboxGroup, SandboxProfile, SandboxWritten } from '../../ports/sandbox.ts'

/** Digits that are always the same for the same words. */
const digitsOf = (length: number, ...words: string[]) => {
  const hash = createHash('sha256').update(words.join('\n')).digest('hex')
  return (BigInt(`0x${hash}`) % 10n ** BigInt(length)).toString().padStart(length, '0')
}

/** The phone number of an instance that was given none: a Brazilian mobile number. */
export const ownNumber = (instanceId: string) => `55119${digitsOf(8, instanceId)}`

/** In the form of the ids that WhatsApp's iPhone app gives. */
export const newWhatsappId = () => `3A${randomBytes(9).toString('hex').toUpperCase()}`

const groupOf = (instanceId: string, group: SandboxGroup) => {
  if (typeof group !== 'string') {
    const { id, name } = group
    if (id === undefined && name === undefined) throw invalid('group', 'needs an id or a name')
    return { chat: id === undefined ? namedGroup(instanceId, name ?? '') : groupJid(id), name }
  }
  return group.includes('@') || /^[\d-]+$/.test(group)
    ? { chat: groupJid(group), name: undefined }
    : { chat: namedGroup(instanceId, group), name: group }
}
/** The group that goes by a name. */
export const namedGroup = (instanceId: string, name: string) => `120363${digitsOf(12, instanceId, name)}@g.us`
const groupJid = (id: string): string => {
  const jid = toJid(id.includes('@') ? id : `${id}@g.us`, 'group')
  if (!isGroup(jid)) throw invalid('group', 'must be a group, such as 120363041234567890@g.us')
  return jid
}

/** Where something is written and who wrote it, in a gateway's words. */
export const placeAndAuthor = (instanceId: string, owner: SandboxProfile, written: SandboxWritten) => {
  const { from, name, fromMe = false } = written
  const person = toPerson(from, 'from')
  const group = written.group === undefined ? undefined : groupOf(instanceId, written.group)
  const senderName = fromMe ? owner.profileName : name
  const chatName = group ? group.name : fromMe ? name : undefined
  return {
    place: { chat: group?.chat ?? person, ...(chatName !== undefined && { chatName }) },
    author: {
      fromMe,
      sender: fromMe ? toPerson(owner.phoneNumber, 'from') : person,
      ...(senderName !== undefined && { senderName }),
    },
  }
}
