import {
  aesDecryptGCM,
  aesEncryptGCM,
  Curve,
  hkdf,
  NOISE_MODE,
  NOISE_WA_HEADER,
  proto,
  sha256,
} from '@whiskeysockets/baileys'
import type { Authority } from './certificate.ts'

const NOTHING = Buffer.alloc(0)
const HEADER_BYTES = 4
const ROUTING_BYTES = 7

/** The server's side of Noise_XX_25519_AESGCM_SHA256 as WhatsApp speaks it, and of the frames around it. */
export const createServerNoise = (authority: Authority) => {
  const handshake = createHandshake()
  const ephemeral = Curve.generateKeyPair()
  let transport: ReturnType<typeof createTransport> | undefined
  const transportKeys = () => {
    if (!transport) throw new Error('The handshake is not over yet.')
    return transport
  }

  return {
    frames: createFrames(),
    /** The answer to the first frame of a client. */
    serverHello: (frame: Uint8Array): Buffer => {
      const clientKey = needed(proto.HandshakeMessage.decode(frame).clientHello?.ephemeral)
      const fixed = Curve.generateKeyPair()
      handshake.mixHash(clientKey)
      handshake.mixHash(ephemeral.public)
      handshake.mixKey(Curve.sharedKey(ephemeral.private, clientKey))
      const sealedKey = handshake.encrypt(fixed.public)
      handshake.mixKey(Curve.sharedKey(fixed.private, clientKey))
      const payload = handshake.encrypt(authority.chainFor(fixed.public))
      return framed(
        proto.HandshakeMessage.encode({
          serverHello: { ephemeral: ephemeral.public, static: sealedKey, payload },
        }).finish(),
      )
    },
    /** The second frame of a client: its key, and what it says of itself. */
    clientFinish: (frame: Uint8Array): { noiseKey: Buffer; payload: proto.IClientPayload } => {
      const finish = proto.HandshakeMessage.decode(frame).clientFinish
      const noiseKey = handshake.decrypt(needed(finish?.static))
      handshake.mixKey(Curve.sharedKey(ephemeral.private, noiseKey))
      const payload = proto.ClientPayload.decode(handshake.decrypt(needed(finish?.payload)))
      transport = createTransport(...handshake.derive(NOTHING))
      return { noiseKey, payload }
    },
    open: (frame: Uint8Array): Buffer => transportKeys().open(frame),
    seal: (data: Uint8Array): Buffer => framed(transportKeys().seal(data)),
  }
}

const needed = (bytes: Uint8Array | null | undefined): Uint8Array => {
  if (!bytes) throw new Error('The handshake lacks a part.')
  return bytes
}

const nonce = (count: number): Buffer => {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(count, 8)
  return bytes
}

/** The symmetric state of the handshake. */
const createHandshake = () => {
  let hash = Buffer.from(NOISE_MODE)
  let salt: Buffer = hash
  let key: Buffer = hash
  let count = 0
  const mixHash = (data: Uint8Array) => {
    hash = Buffer.from(sha256(Buffer.concat([hash, data])))
  }
  const derive = (data: Uint8Array): [Buffer, Buffer] => {
    const derived = Buffer.from(hkdf(Buffer.from(data), 64, { salt, info: '' }))
    return [derived.subarray(0, 32), derived.subarray(32)]
  }
  mixHash(NOISE_WA_HEADER)
  return {
    mixHash,
    derive,
    mixKey: (data: Uint8Array) => {
      ;[salt, key] = derive(data)
      count = 0
    },
    encrypt: (plain: Uint8Array): Buffer => {
      const sealed = aesEncryptGCM(plain, key, nonce(count++), hash)
      mixHash(sealed)
      return sealed
    },
    decrypt: (sealed: Uint8Array): Buffer => {
      const plain = aesDecryptGCM(sealed, key, nonce(count++), hash)
      mixHash(sealed)
      return plain
    },
  }
}

const createTransport = (readKey: Buffer, writeKey: Buffer) => {
  let read = 0
  let written = 0
  return {
    open: (frame: Uint8Array): Buffer => aesDecryptGCM(frame, readKey, nonce(read++), NOTHING),
    seal: (data: Uint8Array): Buffer => aesEncryptGCM(data, writeKey, nonce(written++), NOTHING),
  }
}

const framed = (data: Uint8Array): Buffer => {
  const length = Buffer.alloc(3)
  length.writeUIntBE(data.length, 0, 3)
  return Buffer.concat([length, data])
}

/** Bytes as they come -> whole frames. Before the first there is a header, and before that perhaps where to route. */
const createFrames = () => {
  let rest: Buffer = NOTHING
  let begun = false
  const begin = (): boolean => {
    const routed = rest.subarray(0, 2).toString() === 'ED'
    if (routed && rest.length < ROUTING_BYTES) return false
    const start = routed ? ROUTING_BYTES + rest.readUIntBE(4, 3) : 0
    if (rest.length < start + HEADER_BYTES) return false
    if (rest.subarray(start, start + 2).toString() !== 'WA')
      throw new Error('This is not a client of WhatsApp.')
    rest = rest.subarray(start + HEADER_BYTES)
    return true
  }
  return (data: Buffer): Buffer[] => {
    rest = Buffer.concat([rest, data])
    begun ||= begin()
    const frames: Buffer[] = []
    while (begun && rest.length >= 3) {
      const end = 3 + rest.readUIntBE(0, 3)
      if (rest.length < end) break
      frames.push(rest.subarray(3, end))
      rest = rest.subarray(end)
    }
    return frames
  }
}
