import { AddressNotAllowed } from './address-guard.ts'

export const closedEarly = 'connection closed before an answer'
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: closedEarly,
  EPIPE: closedEarly,
  UND_ERR_SOCKET: closedEarly,
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name could not be looked up',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'host unreachable',
  ETIMEDOUT: 'host unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'host unreachable',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the file stopped arriving',
  UND_ERR_HEADERS_OVERFLOW: 'answer headers too large',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'answer too large',
  UND_ERR_CLOSED: 'not sent: the server is stopping',
  UND_ERR_DESTROYED: 'not sent: the server is stopping',
  ERR_TLS_CERT_ALTNAME_INVALID: 'TLS: certificate is for another host name',
}

const textOf = (error: Error, property: string): string => {
  const value: unknown = Reflect.get(error, property)
  return typeof value === 'string' ? value : ''
}

/** Why a request failed, short, stable and fit for users. */
export const reasonOf = (error: Error): string => {
  if (error instanceof AddressNotAllowed) return error.message
  const code = textOf(error, 'code')
  const known = reasons[code]
  if (known) return known
  if (error.name === 'HTTPParserError') return 'answer is not valid HTTP'
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_'))
    return `TLS: ${textOf(error, 'reason') || 'handshake failed'}`
  if (/CERT|^UNABLE_TO_|^ERR_TLS_/.test(code)) return `TLS: ${error.message}`
  return `request failed: ${code || error.name}`
}
