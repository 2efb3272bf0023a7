/** What clients ask about groups (`w:g2`), and what they are answered. */
import { getBinaryNodeChildren, getBinaryNodeChildString, type BinaryNode } from '@whiskeysockets/baileys'
import { groupNode, Refused, type Groups, type ParticipantResult } from './groups.ts'
import type { Person, WhatsApp } from './types.ts'

export const answerGroupIqs = (whatsApp: WhatsApp, groups: Groups) => {
  whatsApp.handlers.set('w:g2', (iq, { device }) => {
    const [asked] = Array.isArray(iq.content) ? iq.content : []
    if (!device || !asked) return [errorNode(new Refused('400', 'bad-request'))]
    try {
      return answer(groups, device.person, iq, asked)
    } catch (error) {
      if (error instanceof Refused) return [errorNode(error)]
      throw error
    }
  })
}

const answer = (groups: Groups, me: Person, iq: BinaryNode, asked: BinaryNode): BinaryNode[] => {
  const id = iq.attrs.to ?? ''
  const { tag, attrs } = asked
  switch (tag) {
    case 'participating':
      return [{ tag: 'groups', attrs: {}, content: groups.of(me).map(groupNode) }]
    case 'query':
      return [groupNode(groups.metadata(id, me))]
    case 'create': {
      const { subject = '', key = '' } = attrs
      const { group, results } = groups.create(me, subject, participantsIn(asked), { key })
      return [withRefused(groupNode(group), results)]
    }
    case 'subject':
      groups.setSubject(me, id, Buffer.from(bytesIn(asked)).toString())
      return []
    case 'description': {
      const text = getBinaryNodeChildString(asked, 'body') ?? ''
      groups.setDescription(me, id, text, attrs.id ?? '', attrs.prev)
      return []
    }
    case 'add':
    case 'remove':
    case 'promote':
    case 'demote': {
      const results = groups.participants(me, id, tag, participantsIn(asked))
      return [{ tag, attrs: {}, content: results.map(resultNode) }]
    }
    case 'leave': {
      const left = getBinaryNodeChildren(asked, 'group')
      for (const group of left) groups.leave(me, group.attrs.id ?? '')
      return [{ tag, attrs: {}, content: left }]
    }
    case 'announcement':
    case 'not_announcement':
    case 'locked':
    case 'unlocked':
      groups.setSetting(me, id, tag)
      return []
    case 'invite':
      return invite(groups, me, iq, attrs.code)
  }
  throw new Refused('501', 'feature-not-implemented')
}

/** With a code, it is somebody who was invited who asks; otherwise an admin of the group. */
const invite = (groups: Groups, me: Person, iq: BinaryNode, code: string | undefined): BinaryNode[] => {
  const { to = '', type } = iq.attrs
  if (code !== undefined) {
    if (type === 'get') return [groupNode(groups.invitedTo(code))]
    return [{ tag: 'group', attrs: { jid: groups.join(me, code).id } }]
  }
  const current = type === 'set' ? groups.revokeInvite(me, to) : groups.inviteCode(me, to)
  return [{ tag: 'invite', attrs: { code: current } }]
}

const participantsIn = (node: BinaryNode) =>
  getBinaryNodeChildren(node, 'participant').flatMap(({ attrs }) => attrs.jid ?? [])

const bytesIn = ({ content }: BinaryNode) => (content instanceof Uint8Array ? content : Buffer.alloc(0))

/** Who has to be invited comes with a code for it. */
const resultNode = ({ jid, error }: ParticipantResult): BinaryNode => ({
  tag: 'participant',
  attrs: { jid, ...(error && { error }) },
  ...(error === '403' && {
    content: [{ tag: 'add_request', attrs: { code: 'invitation', expiration: '4102444800' } }],
  }),
})

/** The answer to a new group also names who could not be taken in: they are not members. */
const withRefused = (group: BinaryNode, results: readonly ParticipantResult[]): BinaryNode => ({
  ...group,
  content: [
    ...(Array.isArray(group.content) ? group.content : []),
    ...results.filter(({ error }) => error !== undefined).map(resultNode),
  ],
})

const errorNode = ({ code, message }: Refused): BinaryNode => ({
  tag: 'error',
  attrs: { code, text: message },
})
