import { Type } from 'typebox'

/** Fields of people that several bodies have. */
export const PersonName = Type.String({ minLength: 1, maxLength: 200 })
export const Email = Type.String({ format: 'email', maxLength: 320 })
export const NewPassword = Type.String({ minLength: 8, maxLength: 1000 })
/** For a log-in: whatever was a password once is let through to the check. */
export const GivenPassword = Type.String({ minLength: 1, maxLength: 1000 })
