import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Answer, Client, Json } from './client.ts'

const bytes = (...parts: (string | number[] | Buffer)[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  )
const zeros = (length: number) => Buffer.alloc(length)
const ftyp = (brand: string) => bytes([0, 0, 0, 24], `ftyp${brand}`, zeros(12))
const ogg = (codec: string) => bytes('OggS', [0, 2], zeros(22), codec, zeros(20))
const riff = (kind: string) => bytes('RIFF', [36, 0, 0, 0], kind)
/** The header of a container of old Office formats. */
const compound = bytes([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1], zeros(600))

/** A ZIP file with one entry, stored as it is; its checksum is left out, which readers of names do not mind. */
export const zip = (name: string, content: string) => {
  const [nameBytes, data] = [Buffer.from(name), Buffer.from(content)]
  const sizes = Buffer.alloc(12)
  sizes.writeUInt32LE(data.length, 4)
  sizes.writeUInt32LE(data.length, 8)
  const lengths = Buffer.alloc(4)
  lengths.writeUInt16LE(nameBytes.length)
  const common = [bytes([20, 0], zeros(8)), sizes, lengths]
  const entry = bytes('PK\x03\x04', ...common, nameBytes, data)
  const directory = bytes('PK\x01\x02', [20, 0], ...common, zeros(14), nameBytes)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(1, 4)
  end.writeUInt16LE(1, 6)
  end.writeUInt32LE(directory.length, 8)
  end.writeUInt32LE(entry.length, 12)
  return bytes(entry, directory, 'PK\x05\x06', end)
}
const officeTypes = (part: string, kind: string) =>
  `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override ` +
  `PartName="/${part}.xml" ContentType="application/vnd.openxmlformats-officedocument.${kind}.main+xml"/></Types>`
const office = (part: string, kind: string) => zip('[Content_Types].xml', officeTypes(part, kind))

export const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
export const jpeg = bytes([0xff, 0xd8, 0xff, 0xe0, 0, 16], 'JFIF', zeros(60), [0xff, 0xd9])
export const mp4 = bytes(ftyp('isom'), zeros(100))
export const pdf = bytes('%PDF-1.4\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n')

/** The smallest thing of every format that passes for one, by its name. */
export const tinyFiles: Readonly<Record<string, Buffer>> = {
  'a.jpg': jpeg,
  'a.jpeg': jpeg,
  'a.png': png,
  'a.gif': bytes('GIF89a', [1, 0, 1, 0, 0, 0, 0, 0x3b]),
  'a.webp': Buffer.from('UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==', 'base64'),
  'a.mp4': mp4,
  'a.3gp': bytes(ftyp('3gp4'), zeros(100)),
  'a.mov': bytes(ftyp('qt  '), zeros(100)),
  'a.avi': bytes(riff('AVI LIST'), zeros(40)),
  'a.mkv': bytes([0x1a, 0x45, 0xdf, 0xa3, 0x8b, 0x42, 0x82, 0x88], 'matroska', zeros(40)),
  'a.mp3': bytes([0xff, 0xfb, 0x90, 0x64], zeros(500)),
  'a.ogg': ogg('\x01vorbis'),
  'a.wav': bytes(riff('WAVEfmt '), zeros(40)),
  'a.opus': ogg('OpusHead'),
  'a.aac': bytes([0xff, 0xf1, 0x50, 0x80, 2, 0x1f, 0xfc], zeros(40)),
  'a.m4a': bytes(ftyp('M4A '), zeros(100)),
  'a.pdf': pdf,
  'a.doc': compound,
  'a.xls': compound,
  'a.ppt': compound,
  'a.docx': office('word/document', 'wordprocessingml.document'),
  'a.xlsx': office('xl/workbook', 'spreadsheetml.sheet'),
  'a.pptx': office('ppt/presentation', 'presentationml.presentation'),
  'a.txt': Buffer.from('Olá, mundo\n'),
  'a.zip': zip('hello.txt', 'hello'),
}

/** A web server with files at `/name`; `asked` is what it was asked for, in order. Others may answer as they like. */
export const startFileServer = async (
  files: Readonly<Record<string, Buffer>> = tinyFiles,
  others: RequestListener = (_, response) => response.writeHead(404).end(),
) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const name = (request.url ?? '/').slice(1)
    asked.push(name)
    const file = files[name]
    if (file) response.writeHead(200, { 'content-length': file.length }).end(file)
    else others(request, response)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

/** Uploads a file as a browser does. `fields` come before it. */
export const upload = async (
  { url, authorization }: Client,
  name: string,
  content: Buffer,
  fields: Readonly<Record<string, string>> = {},
): Promise<Answer<Json>> => {
  const form = new FormData()
  for (const [field, value] of Object.entries(fields)) form.append(field, value)
  form.append('file', new Blob([new Uint8Array(content)]), name)
  const response = await fetch(`${url}/media/upload`, {
    method: 'POST',
    headers: { authorization },
    body: form,
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

/** Gets bytes, as a browser does. */
export const download = async (
  { url, authorization }: Client,
  path: string,
  headers: Readonly<Record<string, string>> = {},
) => {
  const address = path.startsWith('http') ? path : url + path
  const response = await fetch(address, { headers: { authorization, ...headers } })
  return {
    status: response.status,
    headers: response.headers,
    bytes: Buffer.from(await response.arrayBuffer()),
  }
}
