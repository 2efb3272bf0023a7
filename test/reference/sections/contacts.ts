import { expect } from 'vitest'
import type { Entry } from '../entry.ts'
import type { World } from '../prepared-world.ts'

const UUID = '550e8400-e29b-41d4-a716-446655440000'
const contact = {
  id: 1,
  phone_number: '5511999999999',
  name: 'John Doe',
  display_name: 'John',
  email: 'john@example.com',
  company: 'Acme Inc',
  notes: 'VIP customer',
  profile_picture_url: 'https://...',
  is_business: false,
  created_at: '2025-01-15T10:30:00Z',
}
const rules = { varies: ['id', 'display_name', 'total', 'last_page'], orNull: ['profile_picture_url'] }
const names =
  '`display_name` is the name given here, else the one that people give themselves; ' +
  '`profile_picture_url` is null for people without a picture.'

const emptyInstance = async ({ pairing }: World) => ({ [UUID]: await pairing('Contacts') })
/** John Doe, in an instance of his own: the number of the contact. */
const john = async ({ pairing, must }: World): Promise<string> => {
  const { phone_number, name, email, company, notes } = contact
  const fields = { instance_id: await pairing('Contacts'), phone_number, name, email, company, notes }
  return String((await must('POST', '/contacts', fields)).data.id)
}
const given = async (world: World) => ({ '{id}': await john(world) })

export const contacts: readonly Entry[] = [
  {
    call: 'GET /contacts',
    path: '/contacts?search=john&per_page=50',
    given: async (world) => {
      await john(world)
      return {}
    },
    answer: {
      success: true,
      data: [contact],
      meta: { pagination: { total: 500, per_page: 50, current_page: 1, last_page: 10 } },
    },
    ...rules,
    note: names,
  },
  {
    call: 'POST /contacts',
    body: {
      instance_id: UUID,
      phone_number: '+5511999999999',
      name: 'John Doe',
      email: 'john@example.com',
      company: 'Acme Inc',
      notes: 'Met at conference',
    },
    given: emptyInstance,
    status: 201,
    assumed: { success: true, data: { ...contact, notes: 'Met at conference' } },
    ...rules,
    note: 'No answer documented; expected are the fields of the list.',
  },
  {
    call: 'GET /contacts/{id}',
    given,
    assumed: { success: true, data: contact },
    ...rules,
    note: 'No answer documented; expected are the fields of the list.',
  },
  {
    call: 'PUT /contacts/{id}',
    body: { name: 'John Doe', email: 'john@example.com', company: 'Acme Inc', notes: 'Met at conference' },
    given,
    assumed: { success: true, data: { ...contact, notes: 'Met at conference' } },
    ...rules,
    note: 'Neither example nor answer documented; sent are the fields of the table.',
  },
  {
    call: 'DELETE /contacts/{id}',
    given,
    assumed: { success: true, message: 'Contact deleted successfully' },
    afterwards: async ({ user }, { real }) => {
      expect((await user.get(`/contacts/${real['{id}']}`)).status).toBe(404)
    },
    note: 'No answer documented.',
  },
  {
    call: 'POST /contacts/import',
    body: {
      instance_id: UUID,
      contacts: [
        { phone_number: '+5511999999999', name: 'John Doe' },
        { phone_number: '+5511888888888', name: 'Jane Smith' },
      ],
    },
    given: emptyInstance,
    answer: {
      success: true,
      message: 'Contacts imported successfully',
      data: { imported: 2, skipped: 0, errors: [] },
    },
  },
  {
    call: 'GET /contacts/export',
    path: '/contacts/export?format=csv',
    given: async (world) => {
      await john(world)
      return {}
    },
    contentType: 'text/csv',
    afterwards: (_, { bytes }) => {
      const [header, ...rows] = bytes.toString().split('\r\n')
      expect(header).toMatch(/phone_number,name/)
      expect(rows.join('\n')).toMatch(/5511999999999.*John Doe.*john@example\.com.*Acme Inc.*VIP customer/)
    },
    note: 'No answer documented: a CSV file with a line for each contact.',
  },
]
