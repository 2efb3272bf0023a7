import { randomBytes } from 'node:crypto'
import {
  getBinaryNodeChild,
  getBinaryNodeChildren,
  jidDecode,
  type BinaryNode,
} from '@whiskeysockets/baileys'

export const SERVER = '@s.whatsapp.net'

export const stanza = (
  tag: string,
  attrs: Readonly<Record<string, string | undefined>> = {},
  content?: BinaryNode['content'],
): BinaryNode => {
  const known: Record<string, string> = {}
  for (const [name, value] of Object.entries(attrs)) if (value !== undefined) known[name] = value
  return content === undefined ? { tag, attrs: known } : { tag, attrs: known, content }
}

export const errorNode = (code: number, text: string): BinaryNode =>
  stanza('error', { code: String(code), text })

export const child = (node: BinaryNode | undefined, tag: string) => getBinaryNodeChild(node, tag)
export const children = (node: BinaryNode | undefined, tag: string) => getBinaryNodeChildren(node, tag)
export const firstChild = (node: BinaryNode | undefined): BinaryNode | undefined =>
  Array.isArray(node?.content) ? node.content[0] : undefined

/** An attribute that the protocol requires. */
export const required = (node: BinaryNode, name: string): string => {
  const value = node.attrs[name]
  if (value === undefined) throw new Error(`A <${node.tag}> came without ${name}.`)
  return value
}

/** The bytes in a node. */
export const bytesOf = (node: BinaryNode | undefined): Buffer => {
  if (!(node?.content instanceof Uint8Array))
    throw new Error(`A <${node?.tag ?? 'node'}> came without bytes.`)
  return Buffer.from(node.content)
}

export const bigEndian = (value: number, bytes: number): Buffer => {
  const buffer = Buffer.alloc(bytes)
  buffer.writeUIntBE(value, 0, bytes)
  return buffer
}

export type Address = { readonly user: string; readonly server: string; readonly deviceId: number }

export const addressOf = (jid: string): Address => {
  const decoded = jidDecode(jid)
  if (!decoded) throw new Error('That is not an address of WhatsApp.')
  return { user: decoded.user, server: decoded.server, deviceId: decoded.device ?? 0 }
}

export const isGroup = (jid: string): boolean => jid.endsWith('@g.us')

/** Seconds since 1970. */
export const now = (): string => String(Math.floor(Date.now() / 1000))

/** A message id as phones make them. */
export const newMessageId = (): string => `AC${randomBytes(15).toString('hex').toUpperCase()}`

/** An id for a stanza of the server's own. */
export const newStanzaId = (): string => String(randomBytes(6).readUIntBE(0, 6))
