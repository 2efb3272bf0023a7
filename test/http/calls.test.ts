import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, type Json } from '../support/client.ts'
import { startFileServer, tinyFiles } from '../support/files.ts'
import { eventually } from '../support/eventually.ts'
import { storingNothing, type App } from './world.ts'

const MARIA = '5511988887777'

let app: App
let files: Awaited<ReturnType<typeof startFileServer>>
let instance: string
beforeAll(async () => {
  app = await startApp()
  files = await startFileServer()
})
afterAll(async () => {
  await app.stop()
  await files.close()
})
beforeEach(async () => {
  instance = await createConnectedInstance(app.admin)
})

const phone = async (action: string, body: object = {}): Promise<Json> => {
  const answer = await app.admin.post(`/sandbox/instances/${instance}/${action}`, body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return answer.body.data
}
const signs = async (): Promise<Json[]> =>
  (await app.admin.get(`/sandbox/instances/${instance}/signs`)).body.data.signs
const conversation = async (): Promise<Json> =>
  (await app.admin.get(`/conversations?instance_id=${instance}`)).body.data[0]

describe('presence', () => {
  it.each(['', '/chat'])('at %s/conversations is shown in the chat, and stored nowhere', async (prefix) => {
    await phone('incoming', { from: MARIA, text: 'Hello' })
    const { id, number } = await conversation()
    await storingNothing(app, async () => {
      for (const [ref, state] of [
        [id, 'composing'],
        [number, 'paused'],
      ]) {
        const { status, body } = await app.admin.post(`${prefix}/conversations/${ref}/presence`, { state })
        expect([status, body]).toEqual([200, { success: true, message: 'Presence shown' }])
      }
    })
    expect(await signs()).toMatchObject([
      { kind: 'presence', to: MARIA, presence: 'composing', message_id: null },
      { kind: 'presence', to: MARIA, presence: 'paused', message_id: null },
    ])
  })
  it('is refused without a connection, and for states that there are not', async () => {
    await phone('incoming', { from: MARIA, text: 'Hello' })
    const { id } = await conversation()
    const wrong = await app.admin.post(`/conversations/${id}/presence`, { state: 'asleep' })
    expect(wrong.status).toBe(422)
    await phone('disconnect')
    const refused = await app.admin.post(`/conversations/${id}/presence`, { state: 'composing' })
    expect(refused.body.error).toMatchObject({ code: 'INSTANCE_NOT_CONNECTED' })
    await app.admin.post(`/instances/${instance}/disconnect`)
    await eventually(async () => {
      const closed = await app.admin.post(`/conversations/${id}/presence`, { state: 'composing' })
      expect(closed.body.error).toMatchObject({ code: 'INSTANCE_NOT_CONNECTED' })
    })
  })
})

describe('a conversation that is marked as read', () => {
  const write = async (text: string, from = MARIA, more: object = {}): Promise<string> =>
    (await phone('incoming', { from, text, ...more })).message_id
  const markRead = async (id: string) =>
    expect((await app.admin.post(`/conversations/${id}/mark-read`)).status).toBe(200)
  const shownAsRead = async () =>
    (await signs()).filter(({ kind }) => kind === 'read').map(({ message_id }) => message_id)
  const becomes = (ids: string[]) =>
    eventually(async () => expect((await shownAsRead()).toSorted()).toEqual(ids.toSorted()))

  it('is shown as read to whoever wrote, each message once', async () => {
    const first = [await write('one'), await write('two')]
    const { id } = await conversation()
    await phone('incoming', { from: MARIA, text: 'mine', from_me: true })
    await markRead(id)
    await becomes(first)
    const next = await write('three')
    await markRead(id)
    await markRead(id)
    await becomes([...first, next])
    expect(await signs()).toMatchObject([{ to: MARIA }, { to: MARIA }, { to: MARIA }])
  })
  it('is shown in a group to each author', async () => {
    const ids = [
      await write('one', MARIA, { group: 'Team' }),
      await write('two', '5511977776666', { group: 'Team' }),
    ]
    const { id } = await conversation()
    await markRead(id)
    await becomes(ids)
  })
  it('without a connection is shown once there is one', async () => {
    const ids = [await write('one')]
    const { id } = await conversation()
    await phone('disconnect')
    await markRead(id)
    expect((await app.admin.get(`/conversations/${id}`)).body.data.unread_count).toBe(0)
    expect(await shownAsRead()).toEqual([])
    await phone('connect')
    await becomes(ids)
  })
})

describe('the picture of whoever writes', () => {
  const pictureOf = async (): Promise<string | null> => (await conversation()).profile_picture_url
  const becomes = (matching: unknown) =>
    vi.waitFor(async () => expect(await pictureOf()).toEqual(matching), { timeout: 10_000 })
  const link = expect.stringMatching(/\/files\/[\w-]+\.(jpg|png)$/)
  const bytesAt = async (url: string | null) => {
    const answer = await fetch(url ?? '')
    return answer.ok ? Buffer.from(await answer.arrayBuffer()) : answer.status
  }
  const show = (file: string | null) =>
    phone('contacts', { of: MARIA, picture_url: file === null ? null : `${files.url}/${file}` })

  it('is kept, and can be read at an address of ours, in the conversation and in the contact', async () => {
    await show('a.jpg')
    await phone('incoming', { from: MARIA, name: 'Mary', text: 'Hello' })
    await becomes(link)
    const url = await pictureOf()
    expect(await bytesAt(url)).toEqual(tinyFiles['a.jpg'])
    const { id } = await conversation()
    expect((await app.admin.get(`/conversations/${id}`)).body.data.profile_picture_url).toBe(url)
    const contact: Json = await eventually(async () => {
      const { body } = await app.admin.get(`/contacts?instance_id=${instance}`)
      expect(body.data).toMatchObject([{ phone_number: MARIA, profile_picture_url: url }])
      return body.data[0]
    })
    const changed = await app.admin.put(`/contacts/${contact.id}`, { name: 'Maria' })
    expect(changed.body.data.profile_picture_url).toBe(url)
    expect((await app.admin.get(`/contacts/${contact.id}`)).body.data.profile_picture_url).toBe(url)
  })
  it('is another one when they change it, and none when they take it away; the old file is gone', async () => {
    await show('a.jpg')
    await phone('incoming', { from: MARIA, text: 'Hello' })
    await becomes(link)
    const first = await pictureOf()
    await show('a.png')
    await vi.waitFor(async () => expect(await pictureOf()).not.toBe(first), { timeout: 10_000 })
    const second = await pictureOf()
    expect(await bytesAt(second)).toEqual(tinyFiles['a.png'])
    await show(null)
    await becomes(null)
    for (const gone of [first, second]) await eventually(async () => expect(await bytesAt(gone)).toBe(404))
  })
  it('stays the same file when it is the same picture', async () => {
    await show('a.jpg')
    await phone('incoming', { from: MARIA, text: 'Hello' })
    await becomes(link)
    const first = await pictureOf()
    const asked = () => files.asked.filter((name) => name === 'a.jpg').length
    const before = asked()
    await show('a.jpg')
    await vi.waitFor(() => expect(asked()).toBeGreaterThan(before), { timeout: 10_000 })
    await show(null)
    await becomes(null)
    const { id } = await conversation()
    const events = await app.store.readStream(`conversation-${id}`)
    const pictured = events.filter(({ type }) => type === 'ConversationPictured')
    expect(pictured.map(({ data }) => ('picture' in data ? first : null))).toEqual([first, null])
  })
  it('that is no picture is left where it is', async () => {
    await show('a.pdf')
    await phone('incoming', { from: MARIA, text: 'Hello' })
    await vi.waitFor(() => expect(files.asked).toContain('a.pdf'), { timeout: 10_000 })
    await show('a.png')
    await becomes(expect.stringMatching(/\.png$/))
  })
  it('goes with the conversation', async () => {
    await show('a.jpg')
    await phone('incoming', { from: MARIA, text: 'Hello' })
    await becomes(link)
    const url = await pictureOf()
    await app.admin.delete(`/conversations/${(await conversation()).id}`)
    await eventually(async () => expect(await bytesAt(url)).toBe(404))
  })
})

describe('a pairing code', () => {
  const ask = (id: string, phone_number: string) =>
    app.admin.post(`/instances/${id}/pairing-code`, { phone_number })
  const unpaired = async (): Promise<string> => {
    const { body } = await app.admin.post('/instances', { name: 'New', provider: 'sandbox' })
    return body.data.instance.uuid
  }

  it('is given for the number that is to be paired, as phones show it', async () => {
    const { status, body } = await ask(await unpaired(), '+55 11 99999-9999')
    expect(status).toBe(200)
    expect(body.data).toEqual({
      code: expect.stringMatching(/^[A-Z0-9]{4}-[A-Z0-9]{4}$/),
      phone_number: '5511999999999',
    })
  })
  it('is refused for what is no phone number', async () => {
    const id = await unpaired()
    for (const wrong of ['12', 'x', '120363001234567890@g.us', '100000000000001@lid']) {
      const { status, body } = await ask(id, wrong)
      expect([status, Object.keys(body.error.details)], wrong).toEqual([422, ['phone_number']])
    }
  })
  it('is refused for an instance that is paired, and for one without a session', async () => {
    expect((await ask(instance, MARIA)).body.error).toMatchObject({ code: 'CONFLICT' })
    const id = await unpaired()
    await app.admin.post(`/instances/${id}/disconnect`)
    await eventually(async () =>
      expect((await ask(id, MARIA)).body.error).toMatchObject({ code: 'INSTANCE_NOT_CONNECTED' }),
    )
  })
})

describe('what was said before the pairing', () => {
  it('is taken over where the instance was made for it, and only there', async () => {
    const make = async (more: object): Promise<Json> => {
      const { body } = await app.admin.post('/instances', { name: 'New', provider: 'sandbox', ...more })
      return (await app.admin.get(`/instances/${body.data.instance.uuid}`)).body.data
    }
    expect(await make({ import_history: true })).toMatchObject({ import_history: true })
    expect(await make({ import_history: false })).toMatchObject({ import_history: false })
    expect(await make({})).toMatchObject({ import_history: false })
  })
})

describe('a name in the address book of the phone', () => {
  const contact = async () =>
    (await app.admin.get(`/contacts?instance_id=${instance}`)).body.data.find(
      ({ phone_number }: Json) => phone_number === MARIA,
    )

  it('counts more than the one that people give themselves, and less than the one given here', async () => {
    await phone('contacts', { of: MARIA, name: 'Mary', address_book_name: 'Maria (Acme)' })
    const known = await contact()
    expect(known).toMatchObject({
      name: null,
      push_name: 'Mary',
      address_book_name: 'Maria (Acme)',
      display_name: 'Maria (Acme)',
      is_saved: false,
    })
    await phone('incoming', { from: MARIA, name: 'Mary', text: 'Hello' })
    expect(await conversation()).toMatchObject({ display_name: 'Maria (Acme)' })
    const { body } = await app.admin.put(`/contacts/${known.id}`, { name: 'Maria' })
    expect(body.data).toMatchObject({ display_name: 'Maria', address_book_name: 'Maria (Acme)' })
    expect(await conversation()).toMatchObject({ display_name: 'Maria' })
  })
  it('is no news of a group', async () => {
    await storingNothing(app, () =>
      phone('contacts', { of: '120363001234567890@g.us', address_book_name: 'Team' }),
    )
  })
})
