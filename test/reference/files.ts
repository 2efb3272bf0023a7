import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const jpeg = Buffer.concat([
  Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16]),
  Buffer.from('JFIF'),
  Buffer.alloc(60),
  Buffer.from([0xff, 0xd9]),
])
const pdf = Buffer.from('%PDF-1.4\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n')
const served: Readonly<Record<string, readonly [type: string, content: Buffer]>> = {
  '/image.jpg': ['image/jpeg', jpeg],
  '/report.pdf': ['application/pdf', pdf],
}

/** A web server with the files that the document's examples name. */
export const startFiles = async () => {
  const server = createServer((request, response) => {
    const [type, content] = served[request.url ?? ''] ?? []
    response.writeHead(content ? 200 : 404, type ? { 'content-type': type } : {}).end(content)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    jpeg,
    image: `${url}/image.jpg`,
    report: `${url}/report.pdf`,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
