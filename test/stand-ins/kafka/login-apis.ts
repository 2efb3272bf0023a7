import { api } from './api.ts'
import { all, array, bytes, ErrorCode, int16, int64, string } from './wire.ts'

/** Who may log in, with a mechanism in which the password is sent; `stranger` has no rights. */
const PASSWORDS: Readonly<Record<string, string>> = { zapini: 'zapini-secret', stranger: 'stranger-secret' }

const saslHandshake = api(17, 1, () => all(int16(ErrorCode.NONE), array(['PLAIN'], string)))

const saslAuthenticate = api(36, 1, (request, _broker, session) => {
  const [, user = '', password] = request.bytes().toString().split('\0')
  const isKnown = password !== undefined && PASSWORDS[user] === password
  session.isAuthorized = isKnown && user !== 'stranger'
  const error = isKnown ? ErrorCode.NONE : ErrorCode.SASL_AUTHENTICATION_FAILED
  const text = isKnown ? undefined : 'Authentication failed'
  return all(int16(error), string(text), bytes(Buffer.alloc(0)), int64(0n))
})

export const loginApis = [saslHandshake, saslAuthenticate]
