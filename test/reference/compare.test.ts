import { describe, expect, it } from 'vitest'
import { differences } from './compare.ts'

const documented = {
  success: true,
  data: {
    id: '550e8400-e29b-41d4-a716-446655440045',
    name: 'John Doe',
    phone_number: '5511999999999',
    count: 2,
    share: 0.5,
    paused_at: null,
    created_at: '2025-01-15T10:30:00Z',
    tags: [{ name: 'VIP', color: '#f59e0b' }],
    errors: [],
  },
}
const answer = (fields: object = {}) => ({
  success: true,
  data: { ...documented.data, id: '0190d0a0-0000-7000-8000-000000000001', ...fields },
})

describe('an answer is as documented', () => {
  it('with other ids and times of the same form, and with more fields', () => {
    const tags = [
      { name: 'Support', color: '#3b82f6', id: 1 },
      { name: 'VIP', color: '#f59e0b' },
    ]
    expect(
      differences(documented, { ...answer({ created_at: '2031-12-31T23:59:59Z', tags, more: 1 }), more: [] }),
    ).toEqual([])
  })
  it('with other values where they may vary, of the same type and form', () => {
    const varies = ['name', 'data.phone_number', 'count', 'tags.color', 'errors']
    const fields = {
      name: 'Maria',
      phone_number: '447700900123',
      count: 0,
      tags: [{ name: 'VIP', color: '#000000' }],
      errors: ['one'],
    }
    expect(differences(documented, answer(fields), { varies })).toEqual([])
  })
  it('with null where that is said to be possible', () => {
    expect(differences(documented, answer({ name: null }), { orNull: ['name'] })).toEqual([])
  })
  it('without a documented item that is excepted', () => {
    const two = { list: [{ n: 1 }, { n: 2 }] }
    expect(differences(two, { list: [{ n: 1 }] }, { except: ['list.1'] })).toEqual([])
    expect(differences(two, { list: [{ n: 1 }] })).toEqual(['list.1.n is 1, not 2'])
  })
})

describe('a difference is', () => {
  const without = (field: string) =>
    Object.fromEntries(Object.entries(documented.data).filter(([key]) => key !== field))
  it.each(Object.keys(documented.data))('a missing %s, at whatever level', (field) => {
    expect(differences(documented, { success: true, data: without(field) })).toEqual([
      `data.${field} is missing`,
    ])
  })
  it('a missing key in any item of a list', () => {
    const tags = [{ name: 'VIP', color: '#f59e0b' }, { name: 'Support' }]
    expect(differences(documented, answer({ tags }))).toEqual(['data.tags[1] lacks color'])
  })
  it.each([
    ['success', { ...answer(), success: 'true' }, 'success is of type string, not boolean'],
    ['a number for a text', answer({ phone_number: 5511999999999 }), /^data.phone_number is of type integer/],
    ['a text for a number', answer({ count: '2' }), 'data.count is of type string, not integer'],
    ['a fraction for an integer', answer({ count: 2.5 }), 'data.count is of type number, not integer'],
    ['an object for a list', answer({ tags: {} }), 'data.tags is of type object, not list'],
    ['a list for an object', { success: true, data: [] }, 'data is of type list, not object'],
    ['null for a text', answer({ name: null }), 'data.name is of type null, not string'],
    ['a text for null', answer({ paused_at: 'now' }), 'data.paused_at is of type string, not null'],
  ])('a wrong type: %s', (_, actual, expected) => {
    expect(differences(documented, actual)).toEqual([expect.stringMatching(expected)])
  })
  it('another value where none may vary', () => {
    expect(differences(documented, answer({ name: 'Jane' }))).toEqual(['data.name is "Jane", not "John Doe"'])
    expect(differences(documented, answer({ count: 3 }))).toEqual(['data.count is 3, not 2'])
  })
  it('another id where the very same is expected', () => {
    const exact = [documented.data.id]
    expect(differences(documented, answer(), { exact })).toHaveLength(1)
    expect(differences(documented, documented, { exact })).toEqual([])
  })
  it('a wrong type or an empty text where the value may vary', () => {
    const varies = ['name', 'count']
    expect(differences(documented, answer({ name: '', count: null }), { varies })).toHaveLength(2)
  })
  it('an empty list where there are items, and items where there are none', () => {
    expect(differences(documented, answer({ tags: [], errors: ['one'] }))).toEqual([
      'data.tags is empty',
      'data.errors is not empty',
    ])
  })
  it('a list without the like of a documented item', () => {
    const tags = [{ name: 'VIP', color: '#000000' }]
    expect(differences(documented, answer({ tags }))).toEqual([
      'data.tags.0.color is "#000000", not "#f59e0b"',
    ])
  })
})

describe('the form of a text counts:', () => {
  const png = `data:image/png;base64,${'A'.repeat(200)}`
  it.each([
    ['550e8400-e29b-41d4-a716-446655440045', '0190d0a0-0000-7000-8000-000000000001', '45'],
    ['2025-01-15T10:30:00Z', '2026-02-03T04:05:06Z', '2026-02-03T04:05:06.000Z'],
    ['2025-12-30T17:30:00.000Z', '2026-02-03T04:05:06.789Z', '2026-02-03T04:05:06Z'],
    ['2025-12-29T12:00:00.000000Z', '2026-02-03T04:05:06.789000Z', '2026-02-03T04:05:06.789Z'],
    ['2025-01-15T10:30:00+00:00', '2026-02-03T04:05:06+00:00', '2026-02-03T04:05:06Z'],
    ['data:image/png;base64,...', png, 'data:image/png;base64,...'],
    ['2@...', '2@AbC', 'AbC'],
    ['https://...', 'http://127.0.0.1/a', '/files/a'],
    ['https://chat.whatsapp.com/AbCdEfGhIjKl', 'https://chat.whatsapp.com/x', 'https://example.com/x'],
    ['3EB0ABC123456789', '3EB0B430A8B7F23C1D12', 'ABC'],
    ['media_abc123xyz', 'media_1', '1'],
    ['1|abc123xyz...', '17|secret', 'secret'],
    ['a1b2c3d4e5f6...', 'a'.repeat(64), 'a'.repeat(63)],
  ])('%s is like %s, not like %s', (shown, good, bad) => {
    expect(differences({ field: shown }, { field: good })).toEqual([])
    expect(differences({ field: shown }, { field: bad })).toHaveLength(1)
  })
  it.each([
    ['5511999999999', '447700900123', '+447700900123'],
    ['#ef4444', '#000000', 'red'],
    ['5511999999999@s.whatsapp.net', '447700900123@s.whatsapp.net', '447700900123'],
    ['120363001234567890@g.us', '120363009999999999@g.us', '447700900123@s.whatsapp.net'],
  ])('%s may become %s, not %s', (shown, good, bad) => {
    const varies = ['field']
    expect(differences({ field: shown }, { field: good })).toHaveLength(1)
    expect(differences({ field: shown }, { field: good }, { varies })).toEqual([])
    expect(differences({ field: shown }, { field: bad }, { varies })).toHaveLength(1)
  })
})
