import { createReadStream } from 'node:fs'
import { fileTypeFromFile } from 'file-type'
import { formatOf, type Format, type MediaRules } from '../domain/media-rules.ts'

/** Formats that differ from one of ours in name only. */
const sameAs: Readonly<Record<string, string>> = { apng: 'png', m4v: 'mp4', oga: 'ogg' }
/** Containers that look alike from outside: which of these it is, only the name tells. */
const containers: Readonly<Record<string, readonly string[]>> = {
  cfb: ['doc', 'xls', 'ppt'],
  zip: ['docx', 'xlsx', 'pptx'],
}
/** Names of what has no mark of its own: plain text. */
const textNames = ['txt', 'csv']

const extensionOf = (name = '') => /\.([a-z0-9]{1,10})$/i.exec(name)?.[1]?.toLowerCase() ?? ''

export type Sniffed = {
  /** Undefined if it is none of the formats that are taken. */
  readonly format: Format | undefined
  /** The MIME type of the content, whether it is taken or not, if there is one. */
  readonly mimeType: string | undefined
}

/** What a file is by its content; its name only decides where the content leaves it open. */
export const sniff = async (rules: MediaRules, path: string, name: string | undefined): Promise<Sniffed> => {
  // Content that was made to confuse the reader is content without a known format.
  const found = await fileTypeFromFile(path).catch(() => undefined)
  const named = extensionOf(name)
  const extension =
    found && (containers[found.ext]?.includes(named) ? named : (sameAs[found.ext] ?? found.ext))
  const format = extension === undefined ? undefined : formatOf(rules, extension)
  if (format) return { format, mimeType: format.mimeType }
  if (textNames.includes(named) && (await isText(path)))
    return { format: formatOf(rules, 'txt'), mimeType: 'text/plain' }
  return { format: undefined, mimeType: found?.mime }
}

/** Whether a file is valid UTF-8 without NUL. */
const isText = async (path: string): Promise<boolean> => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for await (const part of createReadStream(path)) {
      if (!(part instanceof Buffer) || part.includes(0)) return false
      decoder.decode(part, { stream: true })
    }
    decoder.decode()
    return true
  } catch {
    return false
  }
}
