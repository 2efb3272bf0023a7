import { textOf } from './content.ts'
import { notFound, Refusal } from './errors.ts'
import { isErased, pastMark, type Message, type MessageBody, type MessageDecision } from './message.ts'
import { isGroup } from './values.ts'

/** How a message is changed after it was said: edited, or taken back. */

/** Who does it, and where the message is now. */
export type Changer = {
  /** JID, as the message has that of its author; left out by who vouches that it is the author. */
  readonly by?: string
  /** Of the group that the message is in. */
  readonly asAdmin?: boolean
  /** Where the message is, if its conversation was merged. */
  readonly conversationId?: string
}

const changeOf = (body: MessageBody, { conversationId = body.conversationId }: Changer, at: string) => ({
  instanceId: body.instanceId,
  conversationId,
  number: body.number,
  ...pastMark(body, at),
  at,
})

/** Whoever writes through the account of the instance is one author. */
const isAuthor = ({ body, direction }: Message, fromMe: boolean, { by }: Changer) =>
  fromMe === (direction === 'outgoing') &&
  (fromMe || by === undefined || (body !== undefined && 'sender' in body && body.sender === by))

/** The author, and nobody else, gave the message another text; of a message that is not known, or no longer there, nothing. */
export const edit =
  (text: string, fromMe: boolean, at: string, changer: Changer = {}): MessageDecision =>
  (message) => {
    const { body, deleted, text: present } = message
    if (!body || deleted || isErased(message) || !isAuthor(message, fromMe, changer)) return []
    return text === (present ?? textOf(body.content))
      ? []
      : [{ type: 'MessageEdited', data: { ...changeOf(body, changer, at), text, fromMe } }]
  }

/** The author, or an admin of the group, took the message back. */
export const takeBack =
  (fromMe: boolean, at: string, changer: Changer = {}): MessageDecision =>
  (message) => {
    const { body, deleted } = message
    if (!body || deleted || isErased(message)) return []
    const isAllowed =
      changer.by === undefined ||
      isAuthor(message, fromMe, changer) ||
      (changer.asAdmin && isGroup(body.chat))
    return isAllowed ? [{ type: 'MessageDeleted', data: { ...changeOf(body, changer, at), fromMe } }] : []
  }

/** Refuses unless the message went out through this instance and can still be changed. */
export const mustBeChangeable = ({ body, direction, status, deleted }: Message): MessageBody => {
  if (!body || deleted) throw notFound('Message')
  if (direction !== 'outgoing')
    throw new Refusal('CONFLICT', 'Only messages that were sent by this instance can be changed.')
  if (status === 'queued' || status === 'failed')
    throw new Refusal('CONFLICT', 'WhatsApp does not have this message, so it cannot be changed.', { status })
  return body
}

/** Refuses unless the message is a text that went out through this instance. */
export const mustBeEditable = (message: Message) => {
  const body = mustBeChangeable(message)
  if (body.content.kind !== 'text') throw new Refusal('CONFLICT', 'Only text messages can be edited.')
  return body
}
