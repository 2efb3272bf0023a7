import makeWASocket, {
  Browsers,
  getBinaryNodeChild,
  getBinaryNodeChildren,
  getErrorCodeFromStreamError,
  isJidNewsletter,
  isJidStatusBroadcast,
  type BaileysEventMap,
  type BinaryNode,
  type SocketConfig,
  type UserFacingSocketConfig,
  type WASocket,
} from '@whiskeysockets/baileys'
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Refusal } from '../../domain/errors.ts'
import { within } from '../within.ts'
import type { Ask } from './ask.ts'
import { createAskedAgain } from './asked-again.ts'
import { endingOf, failureOf, notConnected } from './failures.ts'
import { createLife, type Ended, type Life } from './life.ts'
import { isPaired } from './pairing.ts'
import type { Ending } from './reconnect.ts'
import type { SessionStore } from './session-store.ts'
import { handleInTurn, leaveOutPlaintext } from './stanzas.ts'

/** A peer that is gone does not answer the goodbye; the library waits half a minute for it. */
const GOODBYE_MS = 2000
/** WhatsApp may forget to say that the backlog is complete: what it has sent is then told after so long. */
const BUFFERED_MS = 3000

const GONE = { code: undefined, message: 'The other side is gone' }
/** In the words of the library. */
const NOBODY_SCANNED = { code: 408, message: 'QR refs attempts ended' }

export type Batch = Partial<BaileysEventMap>

export type SocketOptions = {
  readonly url: string
  readonly version: SocketConfig['version']
  readonly store: SessionStore
  readonly logger: SocketConfig['logger']
  readonly caches: Pick<SocketConfig, 'msgRetryCounterCache' | 'userDevicesCache'>
  /** How long each QR code is shown, instead of 60 seconds for the first and 20 for the others. */
  readonly qrMs?: number
  /** Where media go and come from. */
  readonly network?: Pick<UserFacingSocketConfig, 'agent' | 'fetchAgent' | 'options'>
  readonly groupOf?: SocketConfig['cachedGroupMetadata']
  /** An answer that takes longer does not come. */
  readonly callMs: number
  /** Until there is a QR code, or the connection is open. */
  readonly loginMs: number
  readonly onQr: (qr: string) => void
  readonly onOpen: () => void
  /** Resolves once there is room for a part of the past. */
  readonly hasRoom: () => Promise<void>
  /** Everything else that happens, in the library's words. */
  readonly onBatch: (batch: Batch) => void
  readonly onError: (error: unknown) => void
}

/** One socket, from its making to its end; it is never used again. */
export type Connection = {
  readonly sock: WASocket
  readonly ask: Ask
  readonly isOpen: () => boolean
  /** Ends it at once, whatever the other side does. */
  readonly end: (ending: Ending) => void
  readonly ended: Promise<Ended>
}

export const connect = (options: SocketOptions): Connection => {
  const { store, onQr, onOpen, onBatch, onError } = options
  const life = createLife()

  const sock: WASocket = makeSocket({
    ...configOf(options),
    getMessage: createAskedAgain(store.messages, () => sock),
    makeSignalRepository: (...given) => {
      const repository = store.journal.makeSignalRepository(...given)
      // The first thing that the library does at the end of a socket, long before it tells anybody.
      const close = () => {
        repository.close?.()
        onEnding()
      }
      return { ...repository, close }
    },
  })
  handleInTurn(sock, {
    hasRoom: options.hasRoom,
    before: store.journal.expect,
    onFailed: (error) => onFailed(error),
  })
  leaveOutPlaintext(sock, onError)

  const end = (ending: Ending) => {
    if (life.isOver()) return
    flush()
    life.finish(ending)
    sock.end(undefined).catch(onError)
  }
  /** What was acknowledged is told: the library would throw it away. */
  const flush = () => {
    if (sock.ev.isBuffering()) sock.ev.flush()
  }
  const onEnding = () => {
    life.close()
    flush()
    const ending = codesLeft === 0 && !isPaired(store.auth.creds) ? NOBODY_SCANNED : GONE
    life.after(GOODBYE_MS, () => life.finish(ending))
  }
  const expectLogin = () =>
    life.expect(options.loginMs, () =>
      end({ code: 408, message: 'Neither a QR code nor an open connection in time' }),
    )

  let codesLeft = Infinity
  sock.ws.on('CB:iq,type:set,pair-device', (node: BinaryNode) => {
    codesLeft = getBinaryNodeChildren(getBinaryNodeChild(node, 'pair-device'), 'ref').length
  })
  const onConnection = ({ connection, lastDisconnect, qr, isNewLogin }: Batch['connection.update'] & {}) => {
    if (qr !== undefined) {
      life.came()
      codesLeft -= 1
      onQr(qr)
    }
    // WhatsApp ends this connection, and wants a login over a new one.
    if (isNewLogin) expectLogin()
    if (connection === 'open' && !life.isOver()) {
      life.came()
      life.open()
      onOpen()
    }
    if (connection === 'close') life.finish(endingOf(lastDisconnect?.error))
  }

  sock.ev.process((batch) => {
    // What is thrown here would end the process.
    try {
      if (batch['creds.update'])
        store.saveCreds().catch(() => end({ code: undefined, message: 'The credentials could not be kept' }))
      if (batch['connection.update']) onConnection(batch['connection.update'])
      onBatch(batch)
    } catch (error) {
      onError(error)
    }
  })
  const onFailed = (error: unknown) => {
    const { code, message } = endingOf(failureOf(error))
    end({ code: undefined, message: `The library failed (${code ?? 'no code'}): ${message}` })
  }
  sock.ws[EventEmitter.captureRejectionSymbol] = onFailed
  // Said as its last word, the closing may take long after it.
  sock.ws.on('CB:failure', ({ attrs }: BinaryNode) =>
    life.finish({ code: Number(attrs['reason'] ?? 500), message: 'Connection Failure' }),
  )
  sock.ws.on('CB:stream:error', (node: BinaryNode) => {
    const { statusCode: code, reason } = getErrorCodeFromStreamError(node)
    life.finish({ code, message: `Stream Errored (${reason})` })
  })
  // The library does not notice an answer to the upgrade that is not a WebSocket.
  sock.ws.on('unexpected-response', (_request: unknown, { statusCode }: IncomingMessage) =>
    end({ code: undefined, message: `HTTP ${statusCode} instead of a WebSocket` }),
  )
  const onBroken = () => end({ code: undefined, message: 'The state of the session could not be kept' })
  store.broken.addEventListener('abort', onBroken, { once: true })
  if (store.broken.aborted) onBroken()
  life.every(BUFFERED_MS, flush)
  expectLogin()

  return { sock, ask: createAsk(life, options.callMs, end), isOpen: life.isOpen, end, ended: life.ended }
}

/**
 * Makes a socket whose listeners may reject. The library has some that do, when a connection is lost while they answer a
 * stanza; unheard, that would end the process.
 */
const makeSocket = (config: UserFacingSocketConfig): WASocket => {
  const before = EventEmitter.captureRejections
  EventEmitter.captureRejections = true
  try {
    return makeWASocket(config)
  } finally {
    EventEmitter.captureRejections = before
  }
}

const configOf = ({ store, groupOf, ...options }: SocketOptions): UserFacingSocketConfig => ({
  auth: store.auth,
  version: options.version,
  waWebSocketUrl: options.url,
  logger: options.logger,
  // WhatsApp checks the names, and shows them to the owner of the phone.
  browser: Browsers.windows('Chrome'),
  // With a time-out here, the library takes no answer for success.
  defaultQueryTimeoutMs: undefined,
  connectTimeoutMs: 20_000,
  keepAliveIntervalMs: 30_000,
  // The phone would stop telling its owner of messages.
  markOnlineOnConnect: false,
  syncFullHistory: false,
  transactionOpts: { maxCommitRetries: 3, delayBetweenTriesMs: 200 },
  shouldIgnoreJid: (jid) => isJidStatusBroadcast(jid) || isJidNewsletter(jid),
  ...(groupOf && { cachedGroupMetadata: groupOf }),
  ...(options.qrMs !== undefined && { qrTimeout: options.qrMs }),
  ...options.caches,
  ...options.network,
})

const createAsk =
  (life: Life, timeoutMs: number, end: (ending: Ending) => void): Ask =>
  async (name, call) => {
    if (life.isOver()) throw notConnected()
    const late = () => {
      // Whatever else waits, waits for the same: the link is dead. Who asked is told first, and why.
      queueMicrotask(() => end({ code: 408, message: `No answer to ${name}` }))
      return new Refusal(
        'UNAVAILABLE',
        'WhatsApp did not answer in time: it may or may not be done. Connecting again.',
      )
    }
    try {
      return await within(timeoutMs, life.orLost(call()), late)
    } catch (error) {
      throw failureOf(error)
    }
  }
