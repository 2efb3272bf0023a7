import { conversationId, messageId } from '../domain/ids.ts'
import { acknowledge, Message } from '../domain/message.ts'
import type { Context } from '../domain/metadata.ts'
import type { Receipt } from '../ports/gateway.ts'
import type { Addresses } from './addresses.ts'
import type { Authors } from './authors.ts'
import type { Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly addresses: Pick<Addresses, 'nameOf'>
  readonly isIn: Authors['isIn']
}

/**
 * Takes down how far a message of ours came; of one in another chat, nobody knows more than the id. Where the chat goes by
 * the name that the message has, which is nearly always, nothing is read for that.
 */
export const createReceipt =
  ({ transact, addresses, isIn }: Parts) =>
  /** `state.body` is missing if the message is not known. */
  async (instanceId: string, { whatsappId, chat, status, at }: Receipt, context: Context) => {
    const id = messageId(instanceId, whatsappId)
    const decide = acknowledge(status, at)
    const isNamed = ({ body }: Message) => !body || chat === undefined || body.chat === chat
    const decideHere = (message: Message) => (isNamed(message) ? decide(message) : [])
    const written = await transact(Message, id, decideHere, context)
    const { body } = written.state
    if (!body || chat === undefined || isNamed(written.state)) return written
    const name = await addresses.nameOf(instanceId, chat)
    const isHere = await isIn({ id: conversationId(instanceId, name), chat: name }, body)
    return isHere ? transact(Message, id, decide, context) : written
  }
