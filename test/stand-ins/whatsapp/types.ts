import type { BinaryNode, proto } from '@whiskeysockets/baileys'
import type { Sightings } from './sightings.ts'

/** Whether a stanza names people by phone number or by the opaque id that hides it. */
export type Addressing = 'pn' | 'lid'

export type WhatsAppOptions = {
  /** How people are named in direct messages unless a message says otherwise; `lid` by default. */
  readonly addressing?: Addressing
  /** Signs the server's certificate with a key that nobody was given. */
  readonly forgedCertificate?: boolean
  /** 127.0.0.1 and a free port by default. */
  readonly host?: string
  readonly port?: number
}

/** A WhatsApp of its own: server, people and their phones. */
export type WhatsApp = {
  /** `ws://127.0.0.1:<port>/ws/chat` */
  readonly url: string
  /** The public key that signs the server's certificate chain; see `trustWhatsApp`. */
  readonly rootKey: Buffer
  /** The certificate of the media host, in PEM. */
  readonly mediaCa: string
  readonly addressing: Addressing
  readonly faults: Faults

  /** Somebody with a phone and an account. */
  readonly person: (name: string, options?: { phoneNumber?: string; lid?: string }) => Person
  readonly people: readonly Person[]
  /** Whom a phone number or LID address names, whatever the device in it. */
  readonly find: (jid: string) => Person | undefined
  /** By `...@g.us`. A message to a group goes to all of its members. */
  readonly groups: Map<string, Group>

  /** What answers an iq, by its xmlns. */
  readonly handlers: Map<string, IqHandler>
  /** What takes the other stanzas of clients, by their tag: `presence`, `chatstate`, `call` ... */
  readonly stanzaHandlers: Map<string, StanzaHandler>
  /** Called once after the first login of a device, when its pre-keys are there: the time for keys and history. */
  readonly onLinked: Set<(device: Device) => Promise<void> | void>
  /** Sends to a linked device, now or at its next login, and again at each login until it acknowledges. */
  readonly deliver: (person: Person, deviceId: number, node: BinaryNode) => void

  /** All stanzas that clients sent and were sent, decrypted. */
  readonly stanzas: Sightings<Stanza>
  /** Open connections, also those that are not logged in. */
  readonly connections: ReadonlySet<Connection>
  /** What the server or a phone could not make sense of: a broken stanza, an unreadable message, a bad signature. */
  readonly errors: Error[]
  /** All connections end without a goodbye, and nobody can connect until `comeBack`. People and what waits stay. */
  readonly goAway: () => Promise<void>
  readonly comeBack: () => Promise<void>
  readonly stop: () => Promise<void>
}

export type Stanza = {
  readonly direction: 'from-client' | 'to-client'
  readonly node: BinaryNode
  /** Nobody before the login. */
  readonly device: Device | undefined
}

/** Children of the result; with an `<error>` among them the answer is an error. `silence`: it is never answered. */
export type IqAnswer = BinaryNode[] | 'silence'
export type IqHandler = (iq: BinaryNode, connection: Connection) => IqAnswer | Promise<IqAnswer>
export type StanzaHandler = (node: BinaryNode, connection: Connection) => void | Promise<void>

/** What the core has to know of a group in order to carry its messages. */
export type Group = {
  readonly id: string
  readonly addressing: Addressing
  readonly members: readonly Person[]
  /** Without it, every member may. */
  readonly mayWrite?: (person: Person) => boolean
}

/** What goes wrong. Plain settings: a test changes them while it runs. */
export type Faults = {
  /** The HTTP status that answers an upgrade instead of a WebSocket. */
  upgrade?: number | undefined
  /** `<failure reason=...>` instead of `<success>` at login. */
  login?: number | undefined
  /** How a message of a client is answered instead of with an ack: not at all, or with an error such as 463. */
  ack?: ((message: BinaryNode) => 'lost' | { readonly error: string } | undefined) | undefined
  /** How an iq of a client is answered instead of as usual. */
  iq?: ((iq: BinaryNode) => IqAnswer | undefined) | undefined
  /** The error code that refuses a pairing code: 400, 429. */
  pairingCode?: number | undefined
  /** How many QR references a client is given; 6 by default. */
  qrRefs: number
  /** The first scan retires the secret in the QR; only one with another secret is accepted. */
  refreshOnScan: boolean
  /** The phone signs the identity of a new device with another key than its own. */
  forgedAccountSignature: boolean
  /** Pre-key bundles are given out with a signature that does not fit. */
  forgedPreKeySignature: boolean
  /** The backlog is sent at login, and never said to be complete. */
  backlogMarkerWithheld: boolean
  /** What clients acknowledge does not become known: all that was sent to them comes again at the next login. */
  receiptsLost: boolean
}

export type Connection = {
  readonly device: Device | undefined
  /** What the client said of itself in the handshake. */
  readonly payload: proto.IClientPayload
  readonly noiseKey: Buffer
  readonly send: (node: BinaryNode) => void
  /** Sends an iq and resolves with the answer. */
  readonly query: (node: BinaryNode) => Promise<BinaryNode>
  /** Says goodbye with a last stanza, or without. */
  readonly close: (last?: BinaryNode) => void
  /** The network is gone: no goodbye, no closing handshake. */
  readonly drop: () => void
  /** The network swallows everything from now on; the connection stays open. */
  readonly hang: () => void
}

export type PreKey = { readonly keyId: number; readonly public: Uint8Array }
export type SignedPreKey = PreKey & { readonly signature: Uint8Array }

/** A client that is linked to the account of a person, as the server knows it: by its public keys. */
export type Device = {
  /** 1 and up; the phone is 0. */
  readonly id: number
  readonly person: Person
  readonly noiseKey: Buffer
  readonly identityKey: Uint8Array
  readonly registrationId: number
  signedPreKey: SignedPreKey
  readonly preKeys: PreKey[]
  /** What it has not acknowledged yet, oldest first. */
  readonly queue: BinaryNode[]
  connection: Connection | undefined
  logins: number
}

export type Received = {
  readonly id: string
  /** As the stanza named it: the group, the sender, or for a copy of an own message the recipient. */
  readonly chat: string
  readonly sender: Person
  readonly message: proto.IMessage
  /** The text, wherever the message has it. */
  readonly text: string | undefined
  readonly stanza: BinaryNode
}

export type ReceiptSeen = {
  readonly ids: readonly string[]
  /** `delivery`, `read`, `read-self`, `played`, `retry`, `sender`, `inactive` ... */
  readonly type: string
  readonly from: Person
  /** As the stanza named it. */
  readonly to: string
}

export type WriteOptions = {
  readonly id?: string
  readonly addressing?: Addressing
  /** The message that is answered. */
  readonly replyTo?: string
  /** Seconds since 1970; now by default. */
  readonly at?: number
  /** More attributes of the stanza. */
  readonly attrs?: Readonly<Record<string, string>>
  /** `corrupt`: unreadable until the receiver asks for it again. `duplicate`: the server sends it twice. */
  readonly fault?: 'corrupt' | 'duplicate'
}

/** Somebody with an account: a phone with Signal keys of its own, and clients linked to it. */
export type Person = {
  /** The push name. */
  name: string
  /** Digits only. */
  readonly phoneNumber: string
  /** `<phone number>@s.whatsapp.net` */
  readonly jid: string
  /** `<opaque id>@lid` */
  readonly lid: string
  readonly address: (addressing: Addressing, deviceId?: number) => string
  readonly devices: ReadonlyMap<number, Device>

  /** Links the client that shows this QR, as the camera of the phone does. Rejects with what the phone would show. */
  readonly scan: (qr: string) => Promise<Device>
  /** Links the client that asked for a code for this phone number. */
  readonly enterCode: (code: string) => Promise<Device>
  /** Removes a linked client, all of them by default; it is told 401. */
  readonly unlink: (deviceId?: number) => void
  /** The network of a linked client is gone: no goodbye. */
  readonly drop: (deviceId?: number) => void
  /** It swallows everything instead: no answer, no end. */
  readonly hang: (deviceId?: number) => void
  /** `<stream:error code=...>`, or with `replaced` the conflict that ends in 440. */
  readonly streamError: (code: number | 'replaced', deviceId?: number) => void

  /**
   * Typed on the phone. Clients linked to the receiver get it encrypted, those linked to this account a copy, and the
   * phones of receivers know it at once. Resolves with the id of the message.
   */
  readonly writeTo: (
    to: Person | string,
    content: string | proto.IMessage,
    options?: WriteOptions,
  ) => Promise<string>
  /** The same with bytes of one's own making: a broken protobuf, say. */
  readonly writeBytesTo: (to: Person | string, bytes: Uint8Array, options?: WriteOptions) => Promise<string>
  /** An empty text takes the reaction back. */
  readonly react: (chat: Person | string, id: string, text: string, options?: WriteOptions) => Promise<string>
  readonly edit: (chat: Person | string, id: string, text: string, options?: WriteOptions) => Promise<string>
  readonly revoke: (chat: Person | string, id: string, options?: WriteOptions) => Promise<string>
  /** To the sender of the messages. In a group, `chat` is the group and the receipt goes to all members' clients. */
  readonly receipt: (
    chat: Person | string,
    ids: string | readonly string[],
    type?: 'delivery' | 'read' | 'played',
    options?: { addressing?: Addressing },
  ) => void
  /** This account's own phone has read messages of a chat: told to the clients linked to it. */
  readonly readOnPhone: (chat: Person | string, ids: string | readonly string[]) => void

  /** What the phone does with what it gets: nothing, or receipts. `['delivery']` by default. */
  answers: readonly ('delivery' | 'read')[]
  /** How many of the next messages the phone claims not to be able to read; it asks for them again. */
  unreadableNext: number

  /** Puts a message into the inbox: phones need no encryption among themselves. */
  readonly put: (message: Received) => void
  readonly inbox: readonly Received[]
  /** The first that fits, from the inbox or to come. */
  readonly received: (fits: (received: Received) => boolean) => Promise<Received>
  /** Told of all that the phone gets, requests of linked clients included. */
  readonly onReceived: Set<(received: Received) => void>
  readonly receipts: readonly ReceiptSeen[]
  readonly receiptSeen: (fits: (receipt: ReceiptSeen) => boolean) => Promise<ReceiptSeen>

  /** The Signal keys of the phone: for what is encrypted by hand. */
  readonly phone: Phone
  /** What the server hands to the phone, from a client of `from`. */
  readonly take: (from: Device, stanza: BinaryNode, encrypted: readonly BinaryNode[]) => Promise<void>
  /** A client asks for a message again that it could not read, with fresh keys once it has asked in vain. */
  readonly sendAgain: (to: Device, id: string, count: string, keys?: KeyBundle) => Promise<void>
  readonly heard: (receipt: ReceiptSeen) => void
}

/** The public half of the keys of a device. */
export type KeyBundle = {
  readonly registrationId: number
  readonly identityKey: Uint8Array
  readonly signedPreKey: SignedPreKey
  readonly preKey: PreKey | undefined
}

export type Phone = {
  readonly identity: { readonly public: Uint8Array; readonly private: Uint8Array }
  /** With a pre-key that nobody was given before. */
  readonly bundle: () => Promise<KeyBundle>
  /** An `<enc>` for a linked device. A new session begins with the keys given, or those that the server has. */
  readonly encrypt: (to: Device, bytes: Uint8Array, keys?: KeyBundle) => Promise<BinaryNode>
  /** The plaintext of an `<enc>`, unpadded; also of a group's. */
  readonly decrypt: (from: Device, group: string | undefined, enc: BinaryNode) => Promise<proto.Message>
  /** An `<enc type="skmsg">` and the message that tells members the key. */
  readonly encryptForGroup: (
    group: string,
    bytes: Uint8Array,
  ) => Promise<{ enc: BinaryNode; key: Uint8Array }>
  readonly forgetSession: (device: Device) => Promise<void>
}
