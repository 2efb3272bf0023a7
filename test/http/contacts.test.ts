import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { firstTenantId, newId } from '../../src/domain/ids.ts'
import { contactNames, contactsLike } from '../../src/projections/contacts.ts'
import { likePattern } from '../../src/projections/search-text.ts'
import { startApp } from '../support/app.ts'
import { createConnectedInstance, incomingPayload, type Client, type Json } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { instanceClient, isoSecondsText, storingNothing, uuidText, type App } from './world.ts'

let app: App
let instance: string
let other: string
let bot: Client
beforeAll(async () => {
  app = await startApp()
  instance = await createConnectedInstance(app.admin, 'one')
  other = await createConnectedInstance(app.admin, 'other')
  bot = await instanceClient(app.admin, other)
})
afterAll(() => app.stop())

let people = 0
/** A number that nobody else has. */
const newNumber = () => String(5_511_900_000_000 + people++)
const create = (fields: object, client = app.admin) =>
  client.post('/contacts', { instance_id: instance, ...fields })
const saved = async (fields: object = {}): Promise<Json> =>
  (await create({ phone_number: newNumber(), ...fields })).body.data
const list = async (query = '', client = app.admin) => (await client.get(`/contacts${query}`)).body
const namesFor = async (search: string) =>
  (await list(`?${new URLSearchParams({ search })}`)).data.map((one: Json) => one.display_name)
const write = (id: string, from: string, pushName: string | null, to = instance) =>
  app.admin.post(`/webhooks/instance/${to}/incoming`, { ...incomingPayload(id, from), pushName })
const learned = (number: string, pushName: string) =>
  eventually(async () => {
    const [contact] = (await list(`?search=${number}`)).data
    expect(contact).toMatchObject({ push_name: pushName })
    return contact
  })

const example = {
  phone_number: '+5511999999999',
  name: 'John Doe',
  email: 'john@example.com',
  company: 'Acme Inc',
  notes: 'Met at conference',
}

describe('POST /contacts', () => {
  it.each(['', '/api/v1'])('at %s/contacts takes the body of the reference', async (prefix) => {
    const phone_number = prefix === '' ? '+55 (11) 99999-9999' : '5511999999998@s.whatsapp.net'
    const body = { ...example, phone_number, instance_id: instance }
    const answer = await app.admin.post(`${prefix}/contacts`, body)
    expect(answer.status).toBe(201)
    expect(answer.body).toEqual({
      success: true,
      message: 'Contact created successfully',
      data: {
        id: expect.any(Number),
        uuid: uuidText,
        instance_id: instance,
        phone_number: prefix === '' ? '5511999999999' : '5511999999998',
        name: 'John Doe',
        display_name: 'John Doe',
        address_book_name: null,
        push_name: null,
        email: 'john@example.com',
        company: 'Acme Inc',
        notes: 'Met at conference',
        profile_picture_url: null,
        is_business: false,
        is_saved: true,
        created_at: isoSecondsText,
      },
    })
    for (const ref of [answer.body.data.id, answer.body.data.uuid, answer.body.data.uuid.toUpperCase()])
      expect((await app.admin.get(`${prefix}/contacts/${ref}`)).body.data).toEqual(answer.body.data)
  })
  it('needs nothing but a number', async () => {
    const phone_number = newNumber()
    expect(await saved({ phone_number, name: null })).toMatchObject({
      name: null,
      display_name: phone_number,
    })
  })
  it('refuses a number that is a contact already, in any notation, with its id; other instances have their own', async () => {
    const phone_number = newNumber()
    const { id } = await saved({ phone_number })
    const again = await storingNothing(app, () => create({ phone_number: `+${phone_number}`, name: 'Again' }))
    expect(again.status).toBe(422)
    expect(again.body.error).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { phone_number: [`is already a contact, with the id ${id}`] },
    })
    expect((await create({ phone_number, instance_id: other })).status).toBe(201)
  })
  it('asked twice at the same time makes one contact', async () => {
    const phone_number = newNumber()
    const answers = await Promise.all([create({ phone_number }), create({ phone_number })])
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 422])
  })
  it('saves who only wrote so far, under the same id', async () => {
    const phone_number = newNumber()
    await write('L1', phone_number, 'Johnny')
    const before = await learned(phone_number, 'Johnny')
    expect(before).toMatchObject({ name: null, display_name: 'Johnny', is_saved: false })
    const { status, body } = await create({ phone_number, name: 'John Doe' })
    expect(status).toBe(201)
    expect(body.data).toEqual({ ...before, name: 'John Doe', display_name: 'John Doe', is_saved: true })
    expect((await list(`?search=${phone_number}`)).data).toEqual([body.data])
  })
  it.each([
    ['phone_number', {}],
    ['phone_number', { phone_number: '123' }],
    ['phone_number', { phone_number: '120363041234567890@g.us' }],
    ['email', { email: 'john@' }],
    ['name', { name: 'x'.repeat(201) }],
    ['notes', { notes: 'x'.repeat(5001) }],
  ])('refuses a wrong %s: %j', async (field, fields) => {
    const body = field === 'phone_number' ? fields : { phone_number: newNumber(), ...fields }
    const answer = await storingNothing(app, () => create(body))
    expect(answer.status).toBe(422)
    expect(Object.keys(answer.body.error.details)).toEqual([field])
  })
  it('needs to know which instance is meant, where there are several', async () => {
    const answer = await storingNothing(app, () => app.admin.post('/contacts', example))
    expect(answer.body.error).toMatchObject({ code: 'INSTANCE_REQUIRED' })
  })
})

describe('GET /contacts', () => {
  beforeAll(async () => {
    await saved({ name: 'São João Ltda', phone_number: '5521987654321' })
    await saved({ name: 'Émile Zola', phone_number: '5521912345678' })
    await saved({ name: '50%_Off\\Shop' })
  })
  it.each([
    ['sao joao', ['São João Ltda']],
    ['SÃO', ['São João Ltda']],
    ['emile', ['Émile Zola']],
    ['98765', ['São João Ltda']],
    ['+55 21 9', ['Émile Zola', 'São João Ltda']],
    ['(21) 91234-5678', ['Émile Zola']],
    ['50%_', ['50%_Off\\Shop']],
    ['\\', ['50%_Off\\Shop']],
    ['nobody of that name', []],
  ])('finds by a part of name or number: %s', async (search, expected) => {
    expect(await namesFor(search)).toEqual(expected)
  })
  it('finds by the push name, also behind a name that was given', async () => {
    const phone_number = newNumber()
    await saved({ phone_number, name: 'Supplier' })
    await write('S1', phone_number, 'Zé das Couves')
    await learned(phone_number, 'Zé das Couves')
    expect(await namesFor('ze das')).toEqual(['Supplier'])
    await write('S2', phone_number, 'José')
    await learned(phone_number, 'José')
    expect(await namesFor('ze das')).toEqual([])
  })
  it('shows contacts by name, page by page, those of one instance if asked to', async () => {
    const shop = await createConnectedInstance(app.admin, 'pages')
    for (const name of ['clara', 'Álvaro', 'Bruno', 'álvaro', 'Dora'])
      await saved({ name, instance_id: shop })
    const page = async (query: string) => {
      const { data, meta } = await list(`?instance_id=${shop}&${query}`)
      return { names: data.map(({ name }: Json) => name), ...meta.pagination }
    }
    expect(await page('')).toEqual({
      names: ['Álvaro', 'álvaro', 'Bruno', 'clara', 'Dora'],
      total: 5,
      per_page: 15,
      current_page: 1,
      last_page: 1,
    })
    expect(await page('per_page=2&page=2')).toMatchObject({ names: ['Bruno', 'clara'], last_page: 3 })
    expect(await page('per_page=2&page=9')).toMatchObject({ names: [], total: 5 })
    const { id } = (await app.admin.get(`/instances/${shop}`)).body.data
    expect((await list(`?instance_id=${id}`)).meta.pagination.total).toBe(5)
  })
  it.each(['per_page=101', 'page=0', `search=${'x'.repeat(101)}`])('refuses %s', async (query) => {
    const { status, body } = await app.admin.get(`/contacts?${query}`)
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual([query.split('=')[0]])
  })
})

describe('what other lists make of contacts', () => {
  it('the names of a page, the one that was given before the push name', async () => {
    const [both, pushed, none] = [newNumber(), newNumber(), newNumber()]
    const { uuid: named } = await saved({ phone_number: both, name: 'Given' })
    for (const number of [both, pushed]) await write(`N${number}`, number, 'Pushed')
    await learned(both, 'Pushed')
    const { uuid: learnedOnly } = await learned(pushed, 'Pushed')
    const { uuid: nameless } = await saved({ phone_number: none })
    await list()
    const nameOf = await contactNames(app.db, [named, learnedOnly, nameless])
    expect([named, learnedOnly, nameless, newId()].map(nameOf)).toEqual([
      'Given',
      'Pushed',
      undefined,
      undefined,
    ])
    expect((await contactNames(app.db, []))(named)).toBeUndefined()
  })
  it('the ids of a tenant’s contacts that a search finds', async () => {
    const { uuid } = await saved({ name: 'Ångström & Söhne' })
    const idsFor = async (tenantId: string) => {
      const found = contactsLike(app.db, tenantId, likePattern('angstrom'))
      return (await found.execute()).map(({ id }) => id)
    }
    await list()
    expect(await idsFor(firstTenantId)).toEqual([uuid])
    expect(await idsFor(newId())).toEqual([])
  })
})

describe('PUT /contacts/{id}', () => {
  it('changes what is given and clears what is null, by UUID and by number', async () => {
    const contact = await saved({ name: 'John', email: 'john@example.com', notes: 'VIP' })
    const first = await app.admin.put(`/contacts/${contact.uuid}`, { company: 'Acme Inc', notes: null })
    expect(first.status).toBe(200)
    const expected = { ...contact, company: 'Acme Inc', notes: null }
    expect(first.body).toEqual({ success: true, message: 'Contact updated successfully', data: expected })
    const second = await app.admin.put(`/contacts/${contact.id}`, { name: null })
    expect(second.body.data).toEqual({ ...expected, name: null, display_name: contact.phone_number })
    expect((await app.admin.get(`/contacts/${contact.id}`)).body.data).toEqual(second.body.data)
    const same = { company: 'Acme Inc', name: null }
    const again = await storingNothing(app, () => app.admin.put(`/contacts/${contact.id}`, same))
    expect(again.body.data).toEqual(second.body.data)
  })
  it('saves who only wrote', async () => {
    const phone_number = newNumber()
    await write('U1', phone_number, 'Johnny')
    const { id } = await learned(phone_number, 'Johnny')
    const { body } = await app.admin.put(`/contacts/${id}`, { email: 'johnny@example.com' })
    expect(body.data).toMatchObject({ display_name: 'Johnny', email: 'johnny@example.com', is_saved: true })
    expect((await create({ phone_number })).status).toBe(422)
  })
  it.each([{ email: 'x' }, { name: '' }, { company: 5 }, { notes: {} }])('refuses %j', async (fields) => {
    const { id } = await saved()
    const { status, body } = await storingNothing(app, () => app.admin.put(`/contacts/${id}`, fields))
    expect(status).toBe(422)
    expect(Object.keys(body.error.details)).toEqual(Object.keys(fields))
  })
})

describe('DELETE /contacts/{id}', () => {
  it('leaves nothing of the contact, but the conversation stays', async () => {
    const phone_number = newNumber()
    await write('D1', phone_number, 'Johnny')
    const { id } = await learned(phone_number, 'Johnny')
    const { status, body } = await app.admin.delete(`/contacts/${id}`)
    expect(status).toBe(200)
    expect(body).toEqual({ success: true, message: 'Contact deleted successfully' })
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect(
        (await app.admin.call(method, `/contacts/${id}`, method === 'PUT' ? {} : undefined)).status,
      ).toBe(404)
    expect((await list(`?search=${phone_number}`)).data).toEqual([])
    expect((await app.admin.get(`/conversations?search=${phone_number}`)).body.data).toHaveLength(1)
  })
  it('keeps the number for whoever is known again, by writing or by being saved', async () => {
    const phone_number = newNumber()
    const { id, uuid } = await saved({ phone_number, name: 'John' })
    await app.admin.delete(`/contacts/${uuid}`)
    await write('D2', phone_number, 'Johnny')
    expect(await learned(phone_number, 'Johnny')).toMatchObject({ id, uuid, name: null, is_saved: false })
    await app.admin.delete(`/contacts/${id}`)
    expect((await create({ phone_number })).body.data).toMatchObject({ id, uuid, push_name: null })
  })
  it.each(['0', '999999', 'x', '9'.repeat(20)])('finds none with the id %s', async (id) => {
    expect((await app.admin.delete(`/contacts/${id}`)).body.error.code).toBe('NOT_FOUND')
  })
})

describe('the token of an instance', () => {
  it('creates and sees contacts of its own instance only', async () => {
    const foreign = await saved({ name: 'Foreign' })
    const { body } = await bot.post('/contacts', { phone_number: newNumber(), name: 'Own' })
    expect(body.data).toMatchObject({ instance_id: other, name: 'Own' })
    const seen = (await list('?per_page=100', bot)).data
    expect(seen.map(({ name }: Json) => name)).toContain('Own')
    expect(new Set(seen.map((one: Json) => one.instance_id))).toEqual(new Set([other]))
    for (const [method, body] of [['GET'], ['PUT', { name: 'Mine' }], ['DELETE']] as const)
      for (const ref of [foreign.id, foreign.uuid])
        expect((await bot.call(method, `/contacts/${ref}`, body)).status).toBe(404)
    expect((await bot.get(`/contacts?instance_id=${instance}`)).status).toBe(404)
    expect((await create({ phone_number: newNumber() }, bot)).status).toBe(404)
  })
})
