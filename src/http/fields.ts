import { Type } from 'typebox'

/** What a path or a body names something by. */
export const GivenInstance = Type.String({ description: 'UUID or number of the instance' })
export const GivenConversation = Type.String({ description: 'UUID or number of the conversation' })
export const GivenMessage = Type.String({ description: 'UUID, number or WhatsApp id of the message' })

/** Fields of people that several bodies have. */
export const PersonName = Type.String({ minLength: 1, maxLength: 200 })
export const Email = Type.String({ format: 'email', maxLength: 320 })
export const NewPassword = Type.String({ minLength: 8, maxLength: 1000 })
/** For a log-in: whatever was a password once is let through to the check. */
export const GivenPassword = Type.String({ minLength: 1, maxLength: 1000 })
