import { expect, vi } from 'vitest'
import type { Client } from '../support/client.ts'
import type { WhatsAppProcess } from '../support/whatsapp-process.ts'
import { PATIENCE } from './main-job.ts'

/** An instance of WhatsApp itself. */
export const createInstance = async (client: Client, name: string): Promise<string> => {
  const { status, body } = await client.post('/instances', { name, provider: 'baileys' })
  expect(status, JSON.stringify(body)).toBe(201)
  return body.data.instance.uuid
}

/** What the QR code of an instance says, once there is one. */
export const qrOf = (client: Client, instance: string): Promise<string> =>
  vi.waitFor(async () => {
    const { body } = await client.get(`/instances/${instance}/qr`)
    expect(body.data).toMatchObject({ status: 'qr_ready', qr_code_text: expect.any(String) })
    return body.data.qr_code_text
  }, PATIENCE)

export const untilConnected = (client: Client, instance: string) =>
  vi.waitFor(async () => {
    const { body } = await client.get(`/instances/${instance}/status`)
    expect(body.data).toMatchObject({ status: 'connected' })
  }, PATIENCE)

/** An instance that is paired with the phone of this number; its QR code was scanned there. */
export const createLinkedInstance = async (
  client: Client,
  { control }: WhatsAppProcess,
  phoneNumber: string,
): Promise<string> => {
  const instance = await createInstance(client, phoneNumber)
  await control.scan({ person: phoneNumber, qr: await qrOf(client, instance) })
  await untilConnected(client, instance)
  return instance
}
