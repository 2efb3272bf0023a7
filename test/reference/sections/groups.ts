import { expect } from 'vitest'
import type { Entry } from '../entry.ts'
import type { World } from '../prepared-world.ts'

const [MARIA, JOHN] = ['5511987654321', '5511976543210']
const ANA = '5511900000001'
const inGroup = '/instances/{uuid}/groups/{jid}'

/** The group of the document's examples: made by the phone of the instance. */
const marketing = async ({ team, group, must }: World) => {
  const jid = await group(team, 'Marketing Team', [JOHN])
  await must('PATCH', `/instances/${team}/groups/${jid}`, { description: 'Team discussions' })
  return { '{uuid}': team, '{jid}': jid }
}
const groupOf =
  (...participants: string[]) =>
  async ({ first, group }: World) => ({
    '{uuid}': first,
    '{jid}': await group(first, 'Marketing Team', participants),
  })
const results = (...numbers: string[]) => ({
  success: true,
  data: { results: numbers.map((number) => ({ jid: `${number}@s.whatsapp.net`, success: true })) },
})
const oneByOne = 'No answer documented; expected is what became of each participant.'

export const groups: readonly Entry[] = [
  {
    call: 'GET /instances/{uuid}/groups',
    given: marketing,
    answer: {
      success: true,
      data: {
        groups: [
          {
            jid: '120363001234567890@g.us',
            subject: 'Marketing Team',
            owner: '5511987654321@s.whatsapp.net',
            size: 25,
            description: 'Team discussions',
          },
        ],
        total: 5,
      },
    },
    varies: ['jid', 'size', 'total'],
  },
  {
    call: 'POST /instances/{uuid}/groups',
    body: { subject: 'My New Group', participants: [MARIA, JOHN] },
    given: ({ first }) => ({ '{uuid}': first }),
    status: 201,
    answer: {
      success: true,
      data: {
        group: { jid: '120363001234567890@g.us', subject: 'My New Group' },
        message: 'Group created successfully',
      },
    },
    varies: ['jid'],
    note: 'Here `message` stands in `data`, in other answers beside it.',
  },
  {
    call: `GET ${inGroup}`,
    given: marketing,
    answer: {
      success: true,
      data: {
        jid: '120363001234567890@g.us',
        subject: 'Marketing Team',
        description: 'Team discussions',
        owner: '5511987654321@s.whatsapp.net',
        participants: [
          { jid: '5511987654321@s.whatsapp.net', admin: 'superadmin' },
          { jid: '5511976543210@s.whatsapp.net', admin: null },
        ],
        size: 25,
      },
    },
    varies: ['data.jid', 'size'],
  },
  {
    call: `PATCH ${inGroup}`,
    body: { subject: 'New Group Name', description: 'Updated description' },
    given: groupOf(MARIA),
    assumed: { success: true, data: { subject: 'New Group Name', description: 'Updated description' } },
    note: 'No answer documented; expected is the group as it is then.',
  },
  {
    call: `POST ${inGroup}/participants`,
    body: { participants: [MARIA, JOHN] },
    given: groupOf(ANA),
    assumed: results(MARIA, JOHN),
    note: oneByOne,
  },
  {
    call: `DELETE ${inGroup}/participants`,
    body: { participants: [MARIA] },
    given: groupOf(ANA, MARIA),
    assumed: results(MARIA),
    note: oneByOne,
  },
  {
    call: `POST ${inGroup}/admins`,
    body: { participants: [MARIA] },
    given: groupOf(ANA, MARIA),
    assumed: results(MARIA),
    note: oneByOne,
  },
  {
    call: `DELETE ${inGroup}/admins`,
    body: { participants: [MARIA] },
    given: async (world) => {
      const real = await groupOf(ANA, MARIA)(world)
      const admins = `/instances/${real['{uuid}']}/groups/${real['{jid}']}/admins`
      await world.must('POST', admins, { participants: [MARIA] })
      return real
    },
    assumed: results(MARIA),
    note: oneByOne,
  },
  {
    call: `POST ${inGroup}/leave`,
    given: groupOf(MARIA),
    assumed: { success: true },
    afterwards: async ({ must }, { real }) => {
      const { data } = await must('GET', `/instances/${real['{uuid}']}/groups`)
      expect(JSON.stringify(data)).not.toContain(real['{jid}'])
    },
    note: 'No answer documented.',
  },
  {
    call: `GET ${inGroup}/invite`,
    given: groupOf(MARIA),
    answer: {
      success: true,
      data: { code: 'AbCdEfGhIjKl', invite_link: 'https://chat.whatsapp.com/AbCdEfGhIjKl' },
    },
    varies: ['code'],
    afterwards: (_, { body }) => {
      expect(body.data.invite_link.endsWith(`/${body.data.code}`)).toBe(true)
    },
  },
  {
    call: `DELETE ${inGroup}/invite`,
    given: groupOf(MARIA),
    answer: {
      success: true,
      data: { new_code: 'MnOpQrStUvWx', new_invite_link: 'https://chat.whatsapp.com/MnOpQrStUvWx' },
      message: 'Invite link revoked',
    },
    varies: ['new_code'],
  },
]
