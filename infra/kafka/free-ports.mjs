/** Prints as many free ports as asked for. */
import { createServer } from 'node:net'

const servers = Array.from({ length: Number(process.argv[2]) }, () => createServer().listen(0, '127.0.0.1'))
const port = (server) => new Promise((done) => server.on('listening', () => done(server.address().port)))
console.log((await Promise.all(servers.map(port))).join(' '))
for (const server of servers) server.close()
