import { contactId, conversationId } from '../../src/domain/ids.ts'
import type { GatewayListener } from '../../src/ports/gateway.ts'
import type { Client } from '../support/client.ts'
import { toAppend } from '../support/facts.ts'
import type { App } from './world.ts'

const PEOPLE = ['5511900000001', '5511900000002', '5511900000003'].map((number) => `${number}@s.whatsapp.net`)
/** The first two are found out to be the first two people. */
const HIDDEN = ['171000000000001@lid', '171000000000002@lid', '171000000000003@lid']
const TEAM = '120363001234567890@g.us'
export const CHATS = [...PEOPLE, ...HIDDEN, TEAM]

/** Numbers that look like chance and are the same every time. */
const chanceOf = (seed: number) => {
  let state = seed
  const below = (count: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * count)
  }
  const oneOf = <T>(...from: [T, ...T[]] | T[]): T => from[below(from.length)] as T
  return { below, oneOf }
}

/** The life of a shop with one instance: each step does something that people, phones or programs do, by chance. */
export const createLife = (
  app: App,
  shop: { client: Client; tenant: string; instance: string; listener: GatewayListener },
  seed: number,
) => {
  const { client, tenant, instance, listener } = shop
  const { below, oneOf } = chanceOf(seed)
  const said: { whatsappId: string; chat: string; sender: string; fromMe: boolean }[] = []
  const tags: string[] = []
  const automations: string[] = []
  let count = 0
  const at = () => new Date().toISOString()
  const anyChat = () => oneOf(...CHATS)
  const idOf = (chat: string) => conversationId(instance, chat)

  const hear = async (fromMe = false) => {
    const chat = anyChat()
    const sender = fromMe
      ? '5511777777777@s.whatsapp.net'
      : chat === TEAM
        ? oneOf(...PEOPLE, ...HIDDEN)
        : chat
    const whatsappId = `M${++count}`
    const mentions = chat === TEAM ? [oneOf(...PEOPLE), oneOf(...HIDDEN)] : []
    const content = { kind: 'text', text: `words ${count} @5511900000001`, mentions } as const
    const name = sender.slice(-20, -15)
    await listener.message({
      ...{ whatsappId, chat, fromMe, sender, senderName: `Person ${name}`, content, at: at() },
      ...(chat === TEAM && { chatName: `Team ${below(3)}` }),
      ...(below(8) === 0 && { past: true as const, at: '2020-01-15T10:30:00.000Z' }),
    })
    said.push({ whatsappId, chat, sender, fromMe })
  }
  const answer = async () => {
    const to = oneOf(...PEOPLE)
    const message = `answer ${++count}`
    const { body } = await client.post('/send-message', { to, message, instance_id: instance })
    if (body.message_id) said.push({ whatsappId: body.message_id, chat: to, sender: '', fromMe: true })
  }
  const aboutMessage = async () => {
    const { whatsappId, chat, sender, fromMe } = oneOf(...said)
    const about = { targetWhatsappId: whatsappId, chat, at: at() }
    switch (oneOf('receipt', 'receipt', 'reaction', 'reaction', 'edit', 'deletion')) {
      case 'receipt':
        return listener.receipt({ whatsappId, status: oneOf('delivered', 'read', 'played'), at: at() })
      case 'reaction': {
        const by = oneOf(...PEOPLE, ...HIDDEN)
        return listener.reaction({
          ...about,
          sender: by,
          senderName: 'Reactor',
          fromMe: false,
          emoji: oneOf('👍', '🎉', ''),
        })
      }
      case 'edit':
        return listener.change({
          ...about,
          fromMe,
          ...(!fromMe && { by: sender }),
          text: `edited ${++count}`,
        })
      case 'deletion':
        return listener.change({ ...about, fromMe, ...(!fromMe && { by: sender }) })
    }
  }
  const aboutConversation = async () => {
    const id = idOf(anyChat())
    const here = `/conversations/${id}`
    const what = oneOf(
      'tag',
      'tag',
      'tag',
      'read',
      'archive',
      'restore',
      'pause',
      'resume',
      'picture',
      'picture',
      'delete',
    )
    switch (what) {
      case 'tag':
        return client.put(`${here}/tags`, { tag_ids: tags.filter(() => below(2) === 0) })
      case 'read':
        return client.post(`${here}/mark-read`)
      case 'archive':
        return client.post(`${here}/archive`)
      case 'restore':
        return client.delete(`${here}/archive`)
      case 'pause':
        return client.post(`${here}/automation/pause`, { reason: `reason ${++count}` })
      case 'resume':
        return client.post(`${here}/automation/resume`)
      case 'delete':
        return client.delete(here)
      case 'picture': {
        const stream = `conversation-${id}`
        const before = await app.store.readStream(stream)
        if (before.length === 0) return
        const picture = { mediaId: idOf('picture'), key: `picture-${++count}`, mimeType: 'image/png' }
        const event = { type: 'ConversationPictured', data: { picture, at: at() } } as const
        await app.store.append(stream, before.length - 1, [toAppend(event, { tenant, at: at() })])
      }
    }
  }
  const aboutContact = async () => {
    const person = oneOf(...PEOPLE)
    const here = `/contacts/${contactId(instance, person)}`
    switch (oneOf('create', 'change', 'learn', 'learn', 'delete')) {
      case 'create': {
        const details = { name: `Saved ${++count}`, notes: 'a note' }
        return client.post('/contacts', { instance_id: instance, phone_number: person, ...details })
      }
      case 'change':
        return client.put(here, { name: `Changed ${++count}`, company: oneOf('Acme', null) })
      case 'learn': {
        const news = { jid: oneOf(...PEOPLE, ...HIDDEN), at: at() }
        return listener.contact({
          ...news,
          ...oneOf({ savedName: `Book ${++count}` }, { pushName: `Push ${count}` }),
        })
      }
      case 'delete':
        return client.delete(here)
    }
  }
  const aboutTag = async () => {
    const tag = oneOf(...tags)
    switch (tags.length < 2 ? 'create' : oneOf('create', 'change', 'change', 'delete')) {
      case 'create': {
        const { body } = await client.post('/tags', { name: `Tag ${++count}`, color: '#ef4444' })
        tags.push(body.data.tag.id)
        return
      }
      case 'change':
        return client.call('PATCH', `/tags/${tag}`, { name: `Tag ${++count}` })
      case 'delete':
        tags.splice(tags.indexOf(tag), 1)
        await client.delete(`/tags/${tag}`)
    }
  }
  const silence = async () => {
    for (const id of automations.splice(0)) await client.delete(`/automations/${id}`)
  }
  const aboutInstance = async () => {
    switch (oneOf('automate', 'automate', 'silence', 'disconnect', 'link')) {
      case 'automate': {
        const definition = {
          trigger: { type: 'regex', pattern: 'never said' },
          steps: [{ type: 'reply', text: 'hi' }],
        }
        const flow = { name: 'Hello', kind: 'flow', enabled: true, definition }
        const { body } = await client.post(`/instances/${instance}/automations`, flow)
        automations.push(body.data.id)
        return
      }
      case 'silence':
        return silence()
      case 'disconnect':
        await client.post(`/sandbox/instances/${instance}/disconnect`, { status: 'offline' })
        return client.post(`/sandbox/instances/${instance}/connect`)
      case 'link': {
        const n = below(2)
        const [from = '', to = ''] = [HIDDEN[n], PEOPLE[n]]
        return listener.addressLink({ from, to, at: at() })
      }
    }
  }

  const step = async () => {
    const what = said.length < 3 ? 0 : below(20)
    if (what < 6) return hear(what === 5)
    if (what < 7) return answer()
    if (what < 11) return aboutMessage()
    if (what < 14) return aboutConversation()
    if (what < 16) return aboutContact()
    if (what < 18) return aboutTag()
    return aboutInstance()
  }
  /** Nothing is as it was: no automation answers, and the phone is off. */
  const end = async () => {
    await silence()
    await client.post(`/sandbox/instances/${instance}/disconnect`, { status: 'offline' })
  }
  return { step, end }
}
