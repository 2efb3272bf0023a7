import { Curve, proto, WA_CERT_DETAILS } from '@whiskeysockets/baileys'

const NEVER = 4_102_444_800

/** Signs certificate chains for servers, as WhatsApp's own root key does. */
export type Authority = {
  readonly rootKey: Buffer
  /** Root signs intermediate, intermediate signs leaf, and the leaf holds the key of the server. */
  readonly chainFor: (serverKey: Uint8Array) => Uint8Array
}

/** With `forged` another key signs than the one that is shown. */
export const createAuthority = ({ forged = false } = {}): Authority => {
  const root = Curve.generateKeyPair()
  const signer = forged ? Curve.generateKeyPair() : root
  const intermediate = Curve.generateKeyPair()
  const certify = (serial: number, issuerSerial: number, key: Uint8Array, signingKey: Uint8Array) => {
    const details = proto.CertChain.NoiseCertificate.Details.encode({
      serial,
      issuerSerial,
      key,
      notBefore: 0,
      notAfter: NEVER,
    }).finish()
    return { details, signature: Curve.sign(signingKey, details) }
  }
  return {
    rootKey: Buffer.from(root.public),
    chainFor: (serverKey) =>
      proto.CertChain.encode({
        intermediate: certify(1, WA_CERT_DETAILS.SERIAL, intermediate.public, signer.private),
        leaf: certify(2, 1, serverKey, intermediate.private),
      }).finish(),
  }
}
