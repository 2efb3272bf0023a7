/** The business that uses the program: an account and an instance, made through the API as anybody would. */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { login, type Client } from '../../../support/client.ts'

const EMAIL = 'phone@example.com'
const INSTANCE = 'Phone'
const LOOK_EVERY_MS = 300

/** The password of the account in this data folder: made up the first time. */
export const accountIn = async (dataFolder: string) => {
  const file = join(dataFolder, 'password')
  const known = await readFile(file, 'utf8').catch(() => undefined)
  if (known !== undefined) return { email: EMAIL, password: known }
  const password = randomBytes(12).toString('base64url')
  await mkdir(dataFolder, { recursive: true })
  await writeFile(file, password, { mode: 0o600 })
  return { email: EMAIL, password }
}

export type Connection = {
  readonly status: string
  /** PNG as a data URL. */
  readonly qrImage: string | null
  readonly qr: string | null
}

/** Logs in and opens the instance, which is made the first time. */
export const openInstance = async (url: string, account: { email: string; password: string }) => {
  const client = await login(url, account.email, account.password)
  const id = (await instanceCalled(client, INSTANCE)) ?? (await makeInstance(client, INSTANCE))
  const connection = async (): Promise<Connection> => {
    const { status, qr_code: qrImage, qr_code_text: qr } = (await client.get(`/instances/${id}/qr`)).body.data
    return { status, qrImage, qr }
  }
  return {
    id,
    url,
    token: client.token ?? '',
    connection,
    /** A code that can be scanned; the instance is connected again if it has ended, which makes one. */
    qr: async (): Promise<string> => {
      for (let looks = 0; ; looks += 1) {
        const { status, qr } = await connection()
        if (status === 'qr_ready' && qr !== null) return qr
        if (status === 'disconnected') await client.post(`/instances/${id}/reconnect`)
        if (looks > 100) throw new Error(`No QR code: the instance is ${status}`)
        await sleep(LOOK_EVERY_MS)
      }
    },
  }
}
export type Instance = Awaited<ReturnType<typeof openInstance>>

const instanceCalled = async (client: Client, name: string): Promise<string | undefined> => {
  const { body } = await client.get('/instances')
  const instances: { uuid: string; name: string }[] = body.data.instances
  return instances.find((one) => one.name === name)?.uuid
}

const makeInstance = async (client: Client, name: string): Promise<string> => {
  const { status, body } = await client.post('/instances', { name, provider: 'baileys' })
  if (status !== 201) throw new Error(`No instance: ${JSON.stringify(body)}`)
  return body.data.instance.uuid
}
