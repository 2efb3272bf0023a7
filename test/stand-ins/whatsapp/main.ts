/**
 * A stand-in for WhatsApp, for tests and for trying the program without a phone: a server that the real client speaks
 * to, with real encryption, and the phones of people who write to it. It is not WhatsApp: nobody is banned, nothing is
 * limited, and nothing of it was compared with the real server beyond what the client shows. It forgets all when it ends.
 *
 * node --import tsx test/stand-ins/whatsapp/main.ts [--port 0] [--control-port 0] [--addressing lid|pn] [--guarded]
 *
 * Prints one line of JSON once it is ready: { url, rootKeyHex, mediaCaFile, control }. `control` is the address of its
 * commands (commands.ts). Guarded, it ends with its standard input, and does not outlive a parent.
 */
import '../../support/quiet-whatsapp.ts'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createCommands } from './commands.ts'
import { serveControl } from './control.ts'
import { startWorld } from './world.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'control-port': { type: 'string', default: '0' },
    addressing: { type: 'string', default: 'lid' },
    guarded: { type: 'boolean', default: false },
  },
})

const world = await startWorld({
  port: Number(values.port),
  addressing: values.addressing === 'pn' ? 'pn' : 'lid',
})
const control = await serveControl(createCommands(world), Number(values['control-port']))
const folder = await mkdtemp(join(tmpdir(), 'zapini-whatsapp-'))
const mediaCaFile = join(folder, 'media-ca.pem')
await writeFile(mediaCaFile, world.host.certificate)

const end = async () => {
  await Promise.all([control.stop(), world.stop(), rm(folder, { recursive: true, force: true })])
  process.exit(0)
}
process.once('SIGINT', () => void end())
process.once('SIGTERM', () => void end())
if (values.guarded) process.stdin.resume().once('end', () => void end())

const { url, rootKey } = world.whatsApp
process.stdout.write(
  `${JSON.stringify({ url, rootKeyHex: rootKey.toString('hex'), mediaCaFile, control: control.url })}\n`,
)
