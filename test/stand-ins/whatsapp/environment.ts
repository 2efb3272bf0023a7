import { pathToFileURL } from 'node:url'
import { join } from 'node:path'

/** What the stand-in prints once it is ready. */
export type Ready = {
  readonly url: string
  readonly rootKeyHex: string
  readonly mediaCaFile: string
  readonly control: string
}

/** What the built program needs in its environment so that it speaks to the stand-in, and trusts it. */
export const environmentFor = ({ url, rootKeyHex, mediaCaFile }: Omit<Ready, 'control'>) => ({
  WHATSAPP_URL: url,
  WHATSAPP_ROOT_KEY: rootKeyHex,
  NODE_OPTIONS: `--import ${pathToFileURL(join(import.meta.dirname, 'trust.mjs')).href}`,
  NODE_EXTRA_CA_CERTS: mediaCaFile,
})
