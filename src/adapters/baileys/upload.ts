import { readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import {
  DEFAULT_CONNECTION_CONFIG,
  extractImageThumb,
  getAudioDuration,
  getBinaryNodeChild,
  getBinaryNodeChildren,
  getWAUploadToServer,
  type BinaryNode,
  type MediaConnInfo,
  type SocketConfig,
  type WAMediaUploadFunction,
} from '@whiskeysockets/baileys'
import type { MediaMessage } from '../../domain/content.ts'
import type { MediaStore } from '../../ports/media-store.ts'
import { within } from '../within.ts'
import type { OpenSocket } from './ask.ts'
import type { OutgoingFile } from './compose.ts'

/** For what is shown of a file before it is downloaded. */
const LOOK_MS = 10_000
const LEFTOVER_MS = 86_400_000

/**
 * The file of a message, from our own store; undefined if the message has none, or it was deleted. What is shown of it is
 * given, also where nothing could be found: else the library writes the file in the clear to a folder that all programs
 * share, and runs others on it.
 */
export const openUpload = async (
  content: MediaMessage,
  store: MediaStore,
): Promise<OutgoingFile | undefined> => {
  const { mediaId, mimeType = 'application/octet-stream', filename } = content
  if (mediaId === undefined) return undefined
  const shown = await shownOf(content, () => store.open(mediaId))
  const stream = await store.open(mediaId)
  // It may fail before anybody reads it; without a listener, that would end the process.
  stream?.on('error', () => undefined)
  return stream && { stream, mimeType, ...(filename !== undefined && { filename }), ...shown }
}

type Thumbnail = {
  readonly buffer: Buffer
  readonly original: { readonly width?: number; readonly height?: number }
}
const thumbnailOf = (stream: Readable): Promise<Thumbnail> => extractImageThumb(stream)

const shownOf = async ({ kind }: MediaMessage, open: () => Promise<Readable | undefined>) => {
  switch (kind) {
    case 'image': {
      const thumb = await look(open, thumbnailOf)
      const { width, height } = thumb?.original ?? {}
      const sides = width !== undefined && height !== undefined && { width, height }
      return { jpegThumbnail: thumb?.buffer.toString('base64') ?? '', ...sides }
    }
    case 'video':
      return { jpegThumbnail: '' }
    case 'audio':
      return { seconds: Math.round((await look(open, getAudioDuration)) ?? 0) }
    case 'document':
    case 'sticker':
      return {}
  }
}

/** Looks into a file. What cannot be understood is sent all the same. */
const look = async <T>(
  open: () => Promise<Readable | undefined>,
  into: (stream: Readable) => Promise<T>,
): Promise<T | undefined> => {
  const stream = await open()
  if (!stream) return undefined
  stream.on('error', () => undefined)
  try {
    return await within(LOOK_MS, into(stream), () => new Error(`Nothing seen in ${LOOK_MS} ms`))
  } catch {
    return undefined
  } finally {
    stream.destroy()
  }
}

const leftover = /^(image|video|audio|document|sticker|gif|ptt)3EB0[0-9A-F]{18}-(enc|original)$/

/** Removes what a crash left of uploads: encrypted files, in the folder that the library uses. */
export const removeUploadLeftovers = async (folder = tmpdir()): Promise<void> => {
  const names = await readdir(folder).catch(() => [])
  for (const name of names.filter((one) => leftover.test(one))) {
    const found = await stat(join(folder, name)).catch(() => undefined)
    // Another process may be at work on the newer ones.
    if (found && found.mtimeMs < Date.now() - LEFTOVER_MS)
      await rm(join(folder, name), { force: true }).catch(() => undefined)
  }
}

const mediaHosts = () => ({
  tag: 'iq',
  attrs: { to: '@s.whatsapp.net', type: 'set', xmlns: 'w:m' },
  content: [{ tag: 'media_conn', attrs: {} }],
})

const hostsIn = (answer: BinaryNode): MediaConnInfo => {
  const told = getBinaryNodeChild(answer, 'media_conn')
  const { auth, ttl } = told?.attrs ?? {}
  if (auth === undefined) throw new Error('WhatsApp did not say where files go')
  const hosts = getBinaryNodeChildren(told, 'host').map(({ attrs }) => ({
    hostname: attrs['hostname'] ?? '',
    maxContentLengthBytes: Number(attrs['maxContentLengthBytes']),
  }))
  return { auth, ttl: Number(ttl ?? 0), hosts, fetchDate: new Date() }
}

/**
 * Hands encrypted files to WhatsApp. Where they go is asked for as everything else is, within a bounded time; and again
 * if there was no answer, where the library by itself would keep to that for as long as its socket lives.
 */
export const createUpload = (
  { sock, ask }: OpenSocket,
  config: Pick<SocketConfig, 'logger'> & Partial<Pick<SocketConfig, 'fetchAgent'>>,
): WAMediaUploadFunction => {
  let known: Promise<MediaConnInfo> | undefined
  let askAt = 0
  const look = async () => {
    const hosts = hostsIn(await ask<BinaryNode>('media hosts', () => sock.query(mediaHosts())))
    askAt = performance.now() + hosts.ttl * 1000
    return hosts
  }
  const hosts = (isNewWanted: boolean) => {
    if (!known || isNewWanted || performance.now() >= askAt) {
      const asked = look()
      known = asked
      askAt = Infinity
      asked.catch(() => {
        if (known === asked) known = undefined
      })
    }
    return known
  }
  return getWAUploadToServer({ ...DEFAULT_CONNECTION_CONFIG, ...config }, hosts)
}
