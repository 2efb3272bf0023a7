import type { SocketConfig } from '@whiskeysockets/baileys'

export type Write = (level: 'debug' | 'info' | 'warn' | 'error', text: string, fields: object) => void

type Logger = SocketConfig['logger']

/** Longer ones are keys, QR codes, addresses or phone numbers. */
const secrets = /[A-Za-z0-9+/=_-]{20,}|\d{5,}/g
const TEXT_MAX = 200

/**
 * The library's warnings and errors, in the words that it has for them and nothing else: what it logs beside them has
 * keys, addresses and texts of people in it.
 */
export const quietLogs = (write: Write, instanceId: string): Logger => {
  const log = (level: 'debug' | 'warn') => (fields: unknown, text?: string) =>
    write(level, safe(text ?? (typeof fields === 'string' ? fields : 'the library says no more')), {
      instance: instanceId,
      ...errorIn(fields),
    })
  const silent = () => undefined
  const logger: Logger = {
    level: 'warn',
    child: () => logger,
    trace: silent,
    debug: silent,
    info: silent,
    warn: log('debug'),
    error: log('warn'),
  }
  return logger
}

/** Without what could be a secret. */
export const safe = (text: string) => text.slice(0, TEXT_MAX).replaceAll(secrets, '…')

/** Words of an error that the library logs under one of its many names for it. */
const errorIn = (fields: unknown) => {
  if (typeof fields !== 'object' || fields === null) return {}
  const error = Object.values(fields).find((value) => value instanceof Error)
  return error ? { error: safe(error.message) } : {}
}
