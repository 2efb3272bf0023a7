import { Refusal } from './errors.ts'

export const mediaTypes = ['image', 'video', 'audio', 'document'] as const
export type MediaType = (typeof mediaTypes)[number]

export type MediaRule = {
  readonly maxBytes: number
  /** MIME type by file extension; those of one MIME type stand together, the usual one first. */
  readonly formats: Readonly<Record<string, string>>
}
export type MediaRules = Readonly<Record<MediaType, MediaRule>>

const MB = 1024 * 1024
const office = 'application/vnd.openxmlformats-officedocument'

/** What WhatsApp takes: the table of the reference. Checks, refusals and documentation are made from it. */
export const mediaRules: MediaRules = {
  image: {
    maxBytes: 16 * MB,
    formats: {
      jpg: 'image/jpeg',
      jpeg: 'image/jpeg',
      png: 'image/png',
      gif: 'image/gif',
      webp: 'image/webp',
    },
  },
  video: {
    maxBytes: 64 * MB,
    formats: {
      mp4: 'video/mp4',
      '3gp': 'video/3gpp',
      mov: 'video/quicktime',
      avi: 'video/x-msvideo',
      mkv: 'video/x-matroska',
    },
  },
  audio: {
    maxBytes: 16 * MB,
    formats: {
      mp3: 'audio/mpeg',
      ogg: 'audio/ogg',
      wav: 'audio/wav',
      opus: 'audio/ogg; codecs=opus',
      aac: 'audio/aac',
      m4a: 'audio/mp4',
    },
  },
  document: {
    maxBytes: 100 * MB,
    formats: {
      pdf: 'application/pdf',
      doc: 'application/msword',
      docx: `${office}.wordprocessingml.document`,
      xls: 'application/vnd.ms-excel',
      xlsx: `${office}.spreadsheetml.sheet`,
      ppt: 'application/vnd.ms-powerpoint',
      pptx: `${office}.presentationml.presentation`,
      txt: 'text/plain',
      zip: 'application/zip',
    },
  },
}

/** Nothing larger than this is anything. */
export const largestOf = (rules: MediaRules) => Math.max(...mediaTypes.map((type) => rules[type].maxBytes))

const sizeText = (bytes: number) => (bytes >= MB ? `${Math.floor(bytes / MB)} MB` : `${bytes} bytes`)
const formatsText = ({ formats }: MediaRule) => Object.keys(formats).join(', ')

/** `image up to 16 MB (jpg, jpeg, png, gif, webp); video …` */
export const describeRules = (rules: MediaRules) =>
  mediaTypes
    .map((type) => `${type} up to ${sizeText(rules[type].maxBytes)} (${formatsText(rules[type])})`)
    .join('; ')

/** `type`: what the file was to be; without it, it is larger than anything may be. */
export const tooLarge = (rules: MediaRules, type: MediaType | undefined) => {
  const limit = type === undefined ? largestOf(rules) : rules[type].maxBytes
  const what = type === undefined ? 'A file' : `A file sent as ${type}`
  return new Refusal('PAYLOAD_TOO_LARGE', `${what} may have at most ${sizeText(limit)}.`, {
    limit_bytes: limit,
  })
}

export type Format = { readonly type: MediaType; readonly mimeType: string }

/** The format that an extension stands for, by the type that takes it. */
export const formatOf = (rules: MediaRules, extension: string): Format | undefined => {
  for (const type of mediaTypes) {
    const { formats } = rules[type]
    const mimeType = Object.hasOwn(formats, extension) ? formats[extension] : undefined
    if (mimeType !== undefined) return { type, mimeType }
  }
  return undefined
}

/** The usual extension of a MIME type of the table. */
export const extensionOf = (rules: MediaRules, mimeType: string): string | undefined =>
  mediaTypes
    .flatMap((type) => Object.entries(rules[type].formats))
    .find(([, known]) => known === mimeType)?.[0]

const wrongFormat = (rules: MediaRules, found: string, wanted: MediaType | undefined) =>
  new Refusal(
    'UNSUPPORTED_MEDIA_TYPE',
    wanted === undefined
      ? `Files such as this one (${found}) are not taken. Allowed: ${describeRules(rules)}.`
      : `This file (${found}) cannot be sent as ${wanted}. Allowed: ${formatsText(rules[wanted])}.`,
    {
      found,
      allowed: (wanted === undefined ? mediaTypes : [wanted]).flatMap((type) =>
        Object.keys(rules[type].formats),
      ),
    },
  )

/** Refuses a file that is not what it was to be, is nothing that is taken, or is too large for what it is. */
export const mustFit = (
  rules: MediaRules,
  file: { readonly format: Format | undefined; readonly found: string; readonly size: number },
  wanted: MediaType | undefined,
): Format => {
  const { format } = file
  if (!format || (wanted !== undefined && format.type !== wanted))
    throw wrongFormat(rules, file.found, wanted)
  if (file.size > rules[format.type].maxBytes) throw tooLarge(rules, format.type)
  return format
}
