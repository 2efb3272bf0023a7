import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { controlWhatsApp } from '../stand-ins/whatsapp/client.ts'
import { environmentFor, type Ready } from '../stand-ins/whatsapp/environment.ts'

const MAIN = join(import.meta.dirname, '../stand-ins/whatsapp/main.ts')

/**
 * The stand-in for WhatsApp as a process of its own, which outlives a program that is killed. `environment` is what the
 * program needs to speak to it and to trust it; `control` does things in it, and looks at what people see.
 */
export const startWhatsAppProcess = async (args: readonly string[] = []) => {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, '--guarded', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const [line] = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    ended.then(() => Promise.reject(new Error('The stand-in for WhatsApp did not start'))),
  ])
  const ready = JSON.parse(line) as Ready
  return {
    ready,
    url: ready.url,
    environment: environmentFor(ready),
    control: controlWhatsApp(ready.control),
    stop: async () => {
      child.stdin.end()
      await ended
    },
  }
}
export type WhatsAppProcess = Awaited<ReturnType<typeof startWhatsAppProcess>>
