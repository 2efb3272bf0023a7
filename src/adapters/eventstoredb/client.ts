import { EventStoreDBClient } from '@eventstore/db-client'

/** Every key of a connection string that does something, as the client compares them. */
const KEYS = [
  'tls',
  'tlscafile',
  'usercertfile',
  'userkeyfile',
  'defaultdeadline',
  'keepaliveinterval',
  'keepalivetimeout',
  'nodepreference',
  'maxdiscoverattempts',
  'discoveryinterval',
  'gossiptimeout',
  'connectionname',
]
/** Protocol, user and password, of which the last may hold any character. */
const LOGIN = /^[^:]+:\/\/(?:[^:]+:[^@]+@)?/
const invalid = (why: string) => new Error(`EVENTSTORE_URL is not valid: ${why}`)

/** The client prints what it does not know, with the whole string and the password in it, and goes on without. */
const checkKeys = (url: string) => {
  const [, query = ''] = url.replace(LOGIN, '').split('?')
  for (const part of query.split('&').filter((text) => text !== '')) {
    const [name = ''] = part.split('=')
    const key = name.trim().toLowerCase().replace(/[_-]/g, '')
    if (key === 'tlsverifycert')
      throw invalid('the client cannot leave out the check of certificates; name an authority by tlsCAFile')
    if (!KEYS.includes(key)) throw invalid(`it has no option "${name}"`)
  }
}

/** A client for a connection string. Throws without quoting it, since it holds the password. */
export const openClient = (url: string): EventStoreDBClient => {
  checkKeys(url)
  try {
    return EventStoreDBClient.connectionString(url)
  } catch (error) {
    throw withoutSecrets(error)
  }
}

const withoutSecrets = (error: unknown) => {
  if (!(error instanceof Error)) return invalid('the client refuses it')
  return invalid('expected' in error ? `the client expected ${String(error.expected)}` : error.message)
}
