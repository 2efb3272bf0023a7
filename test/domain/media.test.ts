import { describe, expect, it, test } from 'vitest'
import {
  describeRules,
  extensionOf,
  formatOf,
  largestOf,
  mediaRules,
  mediaTypes,
  mustFit,
  tooLarge,
} from '../../src/domain/media-rules.ts'
import { discard, Media, remove, store, type MediaEvent, type StoredMedia } from '../../src/domain/media.ts'
import { AT, INSTANCE, later } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const { given } = specification(Media)
const file: StoredMedia = {
  type: 'image',
  mimeType: 'image/png',
  size: 70,
  filename: 'logo.png',
  sha256: 'abc',
  key: 'a key that nobody can guess',
  instanceId: INSTANCE,
  at: AT,
}
const stored: MediaEvent = { type: 'MediaStored', data: file }
const deleted: MediaEvent = {
  type: 'MediaDeleted',
  data: { reason: 'requested', instanceId: INSTANCE, at: later(1) },
}

describe('a file', () => {
  test('is stored once', () => given().when(store(file)).then(stored))
  test('stays as it is if another is stored under its id', () => {
    given(stored)
      .when(store({ ...file, size: 71 }))
      .then()
  })
  test('is deleted once, and the second time not found', () => {
    given(stored)
      .when(remove(later(1)))
      .then(deleted)
    given(stored, deleted)
      .when(remove(later(2)))
      .refuses('NOT_FOUND')
    given()
      .when(remove(later(2)))
      .refuses('NOT_FOUND')
  })
  test.each(['expired', 'conversation_deleted'] as const)(
    'that is %s is deleted, if it is there',
    (reason) => {
      given(stored)
        .when(discard(reason, later(1)))
        .then({ type: 'MediaDeleted', data: { reason, instanceId: INSTANCE, at: later(1) } })
      given(stored, deleted)
        .when(discard(reason, later(2)))
        .then()
      given()
        .when(discard(reason, later(2)))
        .then()
    },
  )
  test('that was deleted does not come back', () => given(stored, deleted).when(store(file)).then())
})

describe('the table of what is taken', () => {
  const refusal = (task: () => unknown): unknown => {
    try {
      return task()
    } catch (error) {
      return error
    }
  }
  it('is the one of the reference', () => {
    expect(describeRules(mediaRules)).toBe(
      'image up to 16 MB (jpg, jpeg, png, gif, webp); video up to 64 MB (mp4, 3gp, mov, avi, mkv); ' +
        'audio up to 16 MB (mp3, ogg, wav, opus, aac, m4a); ' +
        'document up to 100 MB (pdf, doc, docx, xls, xlsx, ppt, pptx, txt, zip)',
    )
    expect(largestOf(mediaRules)).toBe(100 * 1024 * 1024)
  })
  it('knows the format of every extension, and an extension for every format', () => {
    for (const type of mediaTypes)
      for (const [extension, mimeType] of Object.entries(mediaRules[type].formats)) {
        expect(formatOf(mediaRules, extension)).toEqual({ type, mimeType })
        expect(mediaRules[type].formats[extensionOf(mediaRules, mimeType) ?? '']).toBe(mimeType)
      }
    for (const stranger of ['exe', 'svg', 'html', '', 'constructor', '__proto__'])
      expect(formatOf(mediaRules, stranger)).toBeUndefined()
  })
  it('says the limit, of the type or of all', () => {
    expect(tooLarge(mediaRules, 'image')).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      message: 'A file sent as image may have at most 16 MB.',
      details: { limit_bytes: 16 * 1024 * 1024 },
    })
    expect(tooLarge(mediaRules, undefined).message).toBe('A file may have at most 100 MB.')
  })
  it('takes a file up to the limit of its type, to the byte', () => {
    const format = { type: 'audio', mimeType: 'audio/mpeg' } as const
    const { maxBytes } = mediaRules.audio
    expect(mustFit(mediaRules, { format, found: '', size: maxBytes }, undefined)).toBe(format)
    expect(
      refusal(() => mustFit(mediaRules, { format, found: '', size: maxBytes + 1 }, undefined)),
    ).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  })
  it('says what a file is and what would be taken', () => {
    const format = { type: 'document', mimeType: 'application/pdf' } as const
    const pdf = { format, found: 'application/pdf', size: 1 }
    expect(refusal(() => mustFit(mediaRules, pdf, 'image'))).toMatchObject({
      code: 'UNSUPPORTED_MEDIA_TYPE',
      message: 'This file (application/pdf) cannot be sent as image. Allowed: jpg, jpeg, png, gif, webp.',
      details: { found: 'application/pdf', allowed: ['jpg', 'jpeg', 'png', 'gif', 'webp'] },
    })
    const unknown = { format: undefined, found: 'application/x-msdownload', size: 1 }
    expect(refusal(() => mustFit(mediaRules, unknown, undefined))).toMatchObject({
      code: 'UNSUPPORTED_MEDIA_TYPE',
      message: expect.stringContaining('application/x-msdownload'),
    })
  })
})
