import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Busboy } from '@fastify/busboy'
import { invalid, Refusal } from '../domain/errors.ts'
import type { Wanted } from '../write/media.ts'
import type { Spooled } from '../write/spool.ts'

const limits = { files: 2, fields: 20, parts: 25, fieldSize: 1000, fieldNameSize: 100, headerPairs: 50 }

type Take = {
  /** What the field `type` asks for; may refuse. */
  readonly wantedOf: (type: string | undefined) => Wanted
  /** Takes the file down as it comes. */
  readonly spool: (file: Readable, wanted: Wanted) => Promise<Spooled>
}

/**
 * Reads a multipart/form-data body with one file, in the field `file`. If anything goes wrong – the client goes away,
 * the file is refused – nothing is left of it.
 */
export const readUpload = async (incoming: IncomingMessage, { wantedOf, spool }: Take) => {
  const busboy = busboyFor(incoming)
  let type: string | undefined
  let filename: string | undefined
  let arriving: Readable | undefined
  let taken: Promise<Spooled> | undefined

  const complete = new Promise<void>((resolve, reject) => {
    const take = async (file: Readable) => spool(file, wantedOf(type))
    busboy.on('field', (name, value) => {
      if (name === 'type') type = value
    })
    busboy.on('file', (name, file, given) => {
      // An upload that breaks off fails here, too; without a listener that would end the process.
      file.on('error', () => undefined)
      if (name !== 'file') return file.resume()
      if (taken) return reject(invalid('file', 'must be one file'))
      filename = given
      arriving = file
      taken = take(file)
      taken.catch(reject)
      return undefined
    })
    busboy.once('finish', resolve)
    busboy.once('error', () => reject(malformed('The multipart body ended early or cannot be read.')))
    incoming.once('error', () => reject(malformed('The upload broke off.')))
    incoming.once('close', () => {
      if (!incoming.complete) reject(malformed('The upload broke off.'))
    })
    incoming.pipe(busboy)
  })

  try {
    await complete
    if (!taken) throw invalid('file', 'is required')
    return { wanted: { ...wantedOf(type), filename }, spooled: await taken }
  } catch (error) {
    incoming.unpipe(busboy)
    arriving?.destroy()
    busboy.destroy()
    // What the client still sends is read and forgotten, so that it gets to see the answer.
    incoming.resume()
    const left = await taken?.catch(() => undefined)
    await left?.discard()
    throw error
  }
}

const busboyFor = ({ headers }: IncomingMessage): Busboy => {
  const contentType = headers['content-type'] ?? ''
  if (!/^multipart\/form-data\s*(;|$)/i.test(contentType))
    throw new Refusal(
      'UNSUPPORTED_MEDIA_TYPE',
      'Send multipart/form-data, with the file in the field "file".',
    )
  try {
    return new Busboy({ headers: { ...headers, 'content-type': contentType }, limits })
  } catch {
    throw malformed('The header Content-Type names no boundary.')
  }
}

const malformed = (message: string) => new Refusal('MALFORMED_REQUEST', message)
