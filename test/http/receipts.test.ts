import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Json } from '../support/client.ts'
import { storingNothing, type App } from './world.ts'

let app: App
let instance: string
beforeAll(async () => {
  app = await startApp()
  instance = await createConnectedInstance(app.admin)
})
afterAll(() => app.stop())

const hook = (name: string, body: object) => app.admin.post(`/webhooks/instance/${instance}/${name}`, body)
const message = async (chat: string, id: string): Promise<Json> => {
  const { body } = await app.admin.get(`/conversations?search=${chat}`)
  const history = await app.admin.get(`/conversations/${body.data[0].id}/messages`)
  return history.body.data.messages.find(({ whatsapp_message_id }: Json) => whatsapp_message_id === id)
}

describe('the status hook', () => {
  const keyOf = (id: string) => ({ remoteJid: '5511999999999@s.whatsapp.net', id, fromMe: true })
  const sendOne = async (): Promise<string> => {
    const answer = await app.admin.post('/send-message', { to: '5511999999999', message: 'x' })
    return answer.body.message_id
  }
  const statusOf = async (id: string) => (await message('5511999999999', id)).status

  it('takes the payload of the reference', async () => {
    const id = await sendOne()
    const told = { key: keyOf(id), status: 3, messageTimestamp: 1705312200 }
    const { status, body } = await hook('status', told)
    expect({ status, body }).toEqual({ status: 200, body: { success: true, message: 'Status received' } })
    expect(await statusOf(id)).toBe('delivered')
    await storingNothing(app, () => hook('status', told))
  })
  it('moves a message forward through the codes of the reference, never back', async () => {
    const id = await sendOne()
    const steps = [
      [1, 'sent'],
      [2, 'sent'],
      [3, 'delivered'],
      [2, 'delivered'],
      [4, 'read'],
      [3, 'read'],
      [5, 'played'],
      [1, 'played'],
      [4, 'played'],
    ] as const
    for (const [status, shown] of steps) {
      expect((await hook('status', { key: keyOf(id), status })).status).toBe(200)
      expect(await statusOf(id)).toBe(shown)
    }
    const { body } = await app.admin.get('/conversations?search=5511999999999')
    expect(body.data).toHaveLength(1)
  })
  it('says of a message that it does not know that it does not know it', async () => {
    const told = { key: keyOf('UNKNOWN'), status: 3 }
    const { status, body } = await storingNothing(app, () => hook('status', told))
    expect(status).toBe(404)
    expect(body.error).toMatchObject({ code: 'NOT_FOUND', message: 'Message not found.' })
  })
  it('changes nothing about a message that came in', async () => {
    await hook('incoming', incomingPayload('I1', '5511900000001'))
    const told = { key: keyOf('I1'), status: 4 }
    expect((await storingNothing(app, () => hook('status', told))).status).toBe(200)
    expect((await message('5511900000001', 'I1')).status).toBe('received')
  })
  it.each([0, 6, -1, 2.5, '3', null])('refuses the code %s', async (status) => {
    const answer = await storingNothing(app, () => hook('status', { key: keyOf('X'), status }))
    expect(answer.status).toBe(422)
    expect(Object.keys(answer.body.error.details)).toEqual(['status'])
  })
})

describe('the reaction hook', () => {
  const chat = '5511900000002'
  const reaction = (text: string | null, target: string, fields: object = {}) => ({
    key: { remoteJid: `${chat}@s.whatsapp.net`, id: '3EB0ABC123456789', fromMe: false },
    reaction: { text, key: { id: target } },
    senderJid: '5511888888888@s.whatsapp.net',
    ...fields,
  })
  const reactionsOn = async (id: string) => (await message(chat, id)).reactions

  it('takes the payload of the reference, a change of mind, and the reaction back', async () => {
    await hook('incoming', incomingPayload('R1', chat))
    const { status, body } = await hook('reaction', reaction('👍', 'R1'))
    expect({ status, body }).toEqual({ status: 200, body: { success: true, message: 'Reaction received' } })
    const by = { sender_number: '5511888888888', sender_name: null, from_me: false }
    expect(await reactionsOn('R1')).toEqual([{ emoji: '👍', ...by }])
    await storingNothing(app, () => hook('reaction', reaction('👍', 'R1')))
    await hook('reaction', reaction('😂', 'R1'))
    expect(await reactionsOn('R1')).toEqual([{ emoji: '😂', ...by }])
    await hook('reaction', reaction('', 'R1'))
    expect(await reactionsOn('R1')).toEqual([])
    await hook('reaction', reaction('👍', 'R1'))
    await hook('reaction', reaction(null, 'R1'))
    expect(await reactionsOn('R1')).toEqual([])
  })
  it('keeps the reactions of several people apart, that of the phone itself too', async () => {
    await hook('incoming', incomingPayload('R2', chat))
    await hook('reaction', reaction('👍', 'R2', { senderJid: undefined, senderName: 'Maria' }))
    await hook('reaction', reaction('👍', 'R2'))
    const own = { remoteJid: `${chat}@s.whatsapp.net`, id: 'OWN', fromMe: true }
    await hook('reaction', reaction('❤️', 'R2', { senderJid: undefined, key: own }))
    const { phone } = (await app.admin.get('/status')).body
    expect(await reactionsOn('R2')).toEqual([
      { emoji: '👍', sender_number: chat, sender_name: 'Maria', from_me: false },
      { emoji: '👍', sender_number: '5511888888888', sender_name: null, from_me: false },
      { emoji: '❤️', sender_number: phone, sender_name: null, from_me: true },
    ])
  })
  it('keeps a reaction that comes before its message', async () => {
    expect((await hook('reaction', reaction('👍', 'R3'))).status).toBe(200)
    await hook('incoming', incomingPayload('R3', chat))
    expect(await reactionsOn('R3')).toMatchObject([{ emoji: '👍' }])
  })
})
