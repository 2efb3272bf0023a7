import { Readable } from 'node:stream'
import { proto, type WAMessage, type WAMessageKey } from '@whiskeysockets/baileys'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createInbox, type Batch } from '../../../src/adapters/baileys/inbox.ts'
import type { Told } from '../../../src/adapters/baileys/told.ts'
import type { Content } from '../../../src/domain/content.ts'
import { Refusal } from '../../../src/domain/errors.ts'
import type { GatewayListener } from '../../../src/ports/gateway.ts'
import { AT, JOHN, MARY, TEAM } from '../../support/facts.ts'
import { eventually } from '../../support/eventually.ts'
import { gate } from '../../support/subscriber.ts'

const { REVOKE, CIPHERTEXT } = proto.WebMessageInfo.StubType

const rawOf = (id: string, chat: string): WAMessage => ({
  key: { remoteJid: chat, id, fromMe: false },
  message: { conversation: id },
})
/** A message whose id and text are the same. */
const said = (id: string, chat = JOHN, content: Content = { kind: 'text', text: id }): Batch => {
  const raw = rawOf(id, chat)
  const incoming = { whatsappId: id, chat, fromMe: false, sender: chat, content, at: AT }
  return { told: [{ kind: 'message', incoming, raw }], arrived: [raw] }
}
const image = (id: string, chat = JOHN) => said(id, chat, { kind: 'image', mimeType: 'image/jpeg' })
const receipt = (id: string, status: 'delivered' | 'read'): Told => ({
  kind: 'receipt',
  receipt: { whatsappId: id, status, at: AT },
})
const edit = (id: string, text: string): Told => ({
  kind: 'change',
  change: { targetWhatsappId: id, fromMe: false, text, at: AT },
})
const reaction = (id: string, chat: string, emoji: string): Told => ({
  kind: 'reaction',
  reaction: { targetWhatsappId: id, chat, sender: chat, fromMe: false, emoji, at: AT },
})

/** The journal as its table is: what came stays, in order, until it is settled. */
const journalOf = (rows: Batch[] = []) => {
  const name = ({ id, remoteJid }: WAMessageKey) => `${remoteJid} ${id}`
  return {
    rows,
    settle: async (keys: readonly WAMessageKey[]) => {
      for (const key of keys) {
        const at = rows.findIndex(({ arrived }) => arrived.some((one) => name(one.key) === name(key)))
        if (at >= 0) rows.splice(at, 1)
      }
    },
    pending: async () => rows.slice(0, 1000),
  }
}

type Call = string
const setUp = (options: { rows?: Batch[]; waitingMax?: number; looseMax?: number } = {}) => {
  const closing = new AbortController()
  const journal = journalOf(options.rows)
  const heard: Call[] = []
  const errors: unknown[] = []
  /** What stands in the way of a call; nothing if left out. */
  const hurdles: { before?: (call: Call) => Promise<void> } = {}
  let [present, most] = [0, 0]
  const hear = async (call: Call) => {
    most = Math.max(most, ++present)
    try {
      await hurdles.before?.(call)
      heard.push(call)
    } finally {
      present -= 1
    }
  }
  const listener: Omit<GatewayListener, 'connection'> = {
    message: ({ whatsappId, content }) =>
      hear('mediaMissing' in content ? `${whatsappId} without file` : whatsappId),
    receipt: ({ whatsappId, status }) => hear(`${whatsappId} ${status}`),
    reaction: ({ targetWhatsappId, emoji }) => hear(`${targetWhatsappId} ${emoji}`),
    change: ({ targetWhatsappId, text }) => hear(`${targetWhatsappId} is now ${text ?? 'gone'}`),
    contact: ({ jid }) => hear(`contact ${jid}`),
    addressLink: ({ from, to }) => hear(`${from} is ${to}`),
    file: async ({ whatsappId, content, body }) => {
      body.destroy()
      await hear(`file of ${whatsappId}`)
      return { ...content, mediaId: whatsappId }
    },
  }
  const inbox = createInbox({
    journal: { settle: (keys) => journal.settle(keys) },
    pending: () => journal.pending(),
    messages: { remember: async (messages) => hear(`raw ${messages.map(({ key }) => key.id).join()}`) },
    listener,
    download: async (_message, _content, { keep }) => keep(Readable.from([])),
    ...(options.waitingMax !== undefined && { waitingMax: options.waitingMax }),
    ...(options.looseMax !== undefined && { looseMax: options.looseMax }),
    closing: closing.signal,
    onError: (error) => errors.push(error),
  })
  onTestFinished(() => {
    closing.abort()
    return inbox.stop()
  })
  /** As it comes from WhatsApp: first into the journal, then told. */
  const come = (...batches: Batch[]) => {
    for (const batch of batches) journal.rows.push({ ...batch })
    inbox.take(
      batches.flatMap(({ told }) => told),
      batches.flatMap(({ arrived }) => arrived),
    )
  }
  const told = () => heard.filter((call) => !call.startsWith('raw '))
  return { journal, inbox, closing, come, heard, told, errors, hurdles, most: () => most }
}
const begun = async (options: Parameters<typeof setUp>[0] = {}) => {
  const world = setUp(options)
  await world.inbox.drain()
  return world
}

describe('what is told', () => {
  test('is remembered as it came, heard, and then settled', async () => {
    const { come, heard, journal, inbox, hurdles } = await begun()
    const { opened, open } = gate()
    hurdles.before = (call) => (call === 'A' ? opened : Promise.resolve())
    come(said('A'))
    await eventually(() => expect(heard).toEqual(['raw A']))
    expect(journal.rows).toHaveLength(1)
    open()
    await inbox.idle()
    expect([heard, journal.rows]).toEqual([['raw A', 'A'], []])
  })

  test('is told again until it is heard, and those behind it in its chat wait', async () => {
    const { come, told, errors, inbox, hurdles, journal } = await begun()
    let refusals = 2
    hurdles.before = async (call) => {
      if (call === 'A' && refusals-- > 0) throw new Error('Nothing can be stored')
    }
    come(said('A'))
    come(said('B'), said('C', MARY))
    await inbox.idle()
    expect(told()).toEqual(['C', 'A', 'B'])
    expect(errors).toHaveLength(2)
    expect(journal.rows).toEqual([])
  })

  test('is not told before what it is about', async () => {
    const { inbox, come, told, hurdles } = await begun()
    const { opened, open } = gate()
    hurdles.before = (call) => (call === 'A' ? opened : Promise.resolve())
    come(said('A', TEAM))
    inbox.take([receipt('A', 'delivered'), edit('A', 'B'), receipt('Z', 'delivered')])
    inbox.take([reaction('A', TEAM, '👍'), edit('A', 'C'), receipt('A', 'read'), receipt('Z', 'read')])
    await eventually(() => expect(told()).toEqual(['Z delivered', 'Z read']))
    open()
    await inbox.idle()
    const about = told().filter((call) => call.startsWith('A'))
    expect(about).toEqual(['A', 'A delivered', 'A is now B', 'A 👍', 'A is now C', 'A read'])
  })

  test('of many chats is told beside each other, within bounds', async () => {
    const { inbox, come, told, hurdles, most } = await begun()
    const { opened, open } = gate()
    hurdles.before = () => opened
    const chats = Array.from({ length: 50 }, (_, n) => `55119999990${n}@s.whatsapp.net`)
    inbox.take(chats.flatMap((chat, n) => [receipt(`R${n}`, 'read'), reaction(`X${n}`, chat, '👍')]))
    await eventually(() => expect(most()).toBe(8))
    open()
    come(...chats.map((chat, n) => said(`M${n}`, chat)))
    await inbox.idle()
    expect(told()).toHaveLength(150)
  })

  test('of a person who goes by two addresses comes after the word that it is one person', async () => {
    const { inbox, come, told, hurdles } = await begun()
    const lid = '123@lid'
    const { opened, open } = gate()
    hurdles.before = (call) => (call.includes(' is ') ? opened : Promise.resolve())
    inbox.take([{ kind: 'addressLink', link: { from: lid, to: JOHN, at: AT } }])
    come(said('A'), said('B', lid), said('C', MARY))
    await eventually(() => expect(told()).toEqual(['C']))
    open()
    await inbox.idle()
    expect(told().slice(0, 2)).toEqual(['C', `${lid} is ${JOHN}`])
    expect(told().slice(2).toSorted()).toEqual(['A', 'B'])
  })
})

describe('a file', () => {
  test('comes before its message, and holds up its own chat alone', async () => {
    const { come, told, hurdles, inbox } = await begun()
    const { opened, open } = gate()
    hurdles.before = (call) => (call === 'file of A' ? opened : Promise.resolve())
    come(image('A'), said('B'), said('C', MARY))
    await eventually(() => expect(told()).toEqual(['C']))
    open()
    await inbox.idle()
    expect(told()).toEqual(['C', 'file of A', 'A', 'B'])
  })
  test('is kept once, though its message has to be told again', async () => {
    const { come, told, hurdles, inbox } = await begun()
    let refusals = 1
    hurdles.before = async (call) => {
      if (call === 'A' && refusals-- > 0) throw new Error('Nothing can be stored')
    }
    come(image('A'))
    await inbox.idle()
    expect(told()).toEqual(['file of A', 'A'])
  })
  test('of the past is not fetched', async () => {
    const { inbox, told } = await begun()
    const past = image('A').told.map((one): Told =>
      one.kind === 'message' ? { ...one, incoming: { ...one.incoming, past: true } } : one,
    )
    inbox.take(past)
    await inbox.idle()
    expect(told()).toEqual(['A without file'])
  })
})

describe('the journal', () => {
  test('is told before anything new, in its order', async () => {
    const { inbox, come, told, hurdles, journal } = setUp({ rows: [said('A'), said('B', MARY), said('C')] })
    const { opened, open } = gate()
    hurdles.before = () => opened
    come(said('D'), said('E', MARY))
    expect(told()).toEqual([])
    const drained = inbox.drain()
    come(said('F'))
    open()
    await drained
    come(said('G'))
    await inbox.idle()
    expect(told().filter((call) => !['B', 'E'].includes(call))).toEqual(['A', 'C', 'D', 'F', 'G'])
    expect(told().filter((call) => ['B', 'E'].includes(call))).toEqual(['B', 'E'])
    expect(journal.rows).toEqual([])
  })

  test('keeps what was not heard at the end of the session, for the next one', async () => {
    const first = await begun()
    first.hurdles.before = async (call) => {
      if (call === 'A') throw new Error('Nothing can be stored')
    }
    first.come(said('A'), said('B'))
    await eventually(() => expect(first.errors).not.toEqual([]))
    await first.inbox.stop()
    first.come(said('C'))
    expect(first.told()).toEqual([])
    const second = await begun({ rows: first.journal.rows })
    await second.inbox.idle()
    expect([second.told(), second.journal.rows]).toEqual([['A', 'B', 'C'], []])
  })

  test('has what too much of waits, so that memory does not: all of it is told, once and in order', async () => {
    const { inbox, come, told, hurdles, journal } = await begun({ waitingMax: 10 })
    const { opened, open } = gate()
    hurdles.before = (call) => (call.startsWith('raw') ? Promise.resolve() : opened)
    const ids = Array.from({ length: 2500 }, (_, n) => `M${n}`)
    const chats = [JOHN, MARY, TEAM]
    const chatOf = (n: number) => chats[n % 3] ?? JOHN
    for (const [n, id] of ids.entries()) come(said(id, chatOf(n)))
    inbox.take([receipt('Z', 'read')])
    open()
    await inbox.idle()
    for (const chat of chats) {
      const own = ids.filter((_, n) => chatOf(n) === chat)
      expect(told().filter((call) => own.includes(call))).toEqual(own)
    }
    expect(told()).toContain('Z read')
    expect(told()).toHaveLength(ids.length + 1)
    expect(journal.rows).toEqual([])
    come(said('Last'))
    await inbox.idle()
    expect(told().at(-1)).toBe('Last')
  })

  test('has what a revocation swallowed: it is told, and then that it is gone', async () => {
    const { inbox, told, journal } = await begun()
    const revoke = { key: { remoteJid: JOHN, id: 'R', fromMe: false }, message: { protocolMessage: {} } }
    const change: Told = { kind: 'change', change: { targetWhatsappId: 'A', fromMe: false, at: AT } }
    journal.rows.push(said('A'), { told: [change], arrived: [revoke] })
    inbox.take([change], [{ key: revoke.key, message: null, messageStubType: REVOKE }, revoke])
    await inbox.idle()
    expect(told().slice(-2)).toEqual(['A', 'A is now gone'])
    expect(journal.rows).toEqual([])
  })

  test('loses nothing to a message that came unreadable before it came again', async () => {
    const { inbox, come, told, journal, hurdles } = await begun()
    const { opened, open } = gate()
    hurdles.before = (call) => (call === 'A' ? opened : Promise.resolve())
    come(said('A'))
    inbox.take([], [{ key: { remoteJid: JOHN, id: 'A', fromMe: false }, messageStubType: CIPHERTEXT }])
    come(said('B', MARY))
    await eventually(() => expect(told()).toEqual(['B']))
    expect(journal.rows).toHaveLength(1)
    open()
    await inbox.idle()
    expect(journal.rows).toEqual([])
  })

  test('is read before receipts of what is in it', async () => {
    const { inbox, told, hurdles } = setUp({ rows: [said('A', TEAM)] })
    const { opened, open } = gate()
    hurdles.before = (call) => (call === 'A' ? opened : Promise.resolve())
    inbox.take([receipt('A', 'delivered'), receipt('Z', 'read')])
    const drained = inbox.drain()
    inbox.take([receipt('A', 'read')])
    await drained
    await eventually(() => expect(told()).toEqual(['Z read']))
    open()
    await inbox.idle()
    expect(told()).toEqual(['Z read', 'A', 'A delivered', 'A read'])
  })

  test('that cannot be read does not keep back what comes', async () => {
    const { inbox, come, told, journal, errors } = setUp()
    journal.pending = async () => {
      throw new TypeError('It does not fit')
    }
    await inbox.drain()
    come(said('A'))
    await inbox.idle()
    expect(told()).toEqual(['A'])
    expect(errors).toContainEqual(new TypeError('It does not fit'))
  })

  test('is rid of what says nothing', async () => {
    const { inbox, come, journal } = await begun({ rows: [{ told: [], arrived: [rawOf('A', JOHN)] }] })
    come({ told: [], arrived: [rawOf('B', JOHN)] })
    await inbox.idle()
    expect(journal.rows).toEqual([])
  })

  test('that does not answer is asked again, and what is in it is not told twice for ever', async () => {
    const { inbox, journal, told, errors } = setUp({ rows: [said('A')] })
    const { pending, settle } = journal
    let faults = 1
    journal.pending = async () => {
      if (faults-- > 0) throw new Error('No database')
      return pending()
    }
    journal.settle = async () => undefined
    await inbox.drain()
    await inbox.idle()
    expect(told()).toEqual(['A'])
    journal.settle = settle
    expect(errors.length).toBeLessThanOrEqual(1)
  })
})

describe('what the journal does not have', () => {
  const past = (id: string) => said(id).told

  test('is told also after the connection, as long as the session lasts', async () => {
    const { inbox, come, told, hurdles, journal, closing } = await begun()
    const { opened, open } = gate()
    hurdles.before = () => opened
    inbox.take([...past('A'), receipt('Z', 'read')])
    come(said('B', MARY))
    const stopped = inbox.stop()
    hurdles.before = async (call) => {
      if (call === 'C') throw new Error('Nothing can be stored')
    }
    open()
    await stopped
    expect(told().toSorted()).toEqual(['A', 'Z read'])
    expect(journal.rows).toHaveLength(1)
    closing.abort()
  })

  test('is given up at the end of the session', async () => {
    const { inbox, told, hurdles, errors, closing } = await begun()
    hurdles.before = async (call) => {
      if (call === 'A') throw new Error('Nothing can be stored')
    }
    inbox.take(past('A'))
    await eventually(() => expect(errors).not.toEqual([]))
    const stopped = inbox.stop()
    closing.abort()
    await stopped
    expect(told()).toEqual([])
  })

  test('waits in bounds: receipts beyond them are not told, messages are, and that is said once', async () => {
    const { inbox, come, told, hurdles, errors } = await begun({ looseMax: 10 })
    const { opened, open } = gate()
    hurdles.before = (call) => (call.startsWith('raw') ? Promise.resolve() : opened)
    for (let n = 0; n < 50; n++) inbox.take([receipt(`R${n}`, 'read')])
    come(said('A'))
    inbox.take(past('B'))
    open()
    await inbox.idle()
    expect(told()).toHaveLength(12)
    expect(told()).toEqual(expect.arrayContaining(['R9 read', 'A', 'B']))
    expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining('Too much waits') })])
    inbox.take([receipt('R50', 'read')])
    await inbox.idle()
    expect(told()).toContain('R50 read')
  })

  test('makes room as it is told', async () => {
    const { inbox, hurdles } = await begun({ waitingMax: 2 })
    const { opened, open } = gate()
    hurdles.before = () => opened
    await inbox.hasRoom()
    inbox.take([...past('A'), ...past('B')])
    let isRoom = false
    const room = inbox.hasRoom().then(() => (isRoom = true))
    await inbox.drain()
    expect(isRoom).toBe(false)
    open()
    await room
  })
})

test('a listener that throws instead of rejecting ends nothing', async () => {
  const { inbox, come, told, errors, hurdles } = await begun()
  let faults = 1
  hurdles.before = () => {
    if (faults-- > 0) throw new Error('Thrown')
    return Promise.resolve()
  }
  come(said('A'))
  await inbox.idle()
  expect([told(), errors]).toEqual([['A'], [new Error('Thrown')]])
})

describe('what is refused for what it is', () => {
  const poison = [
    new Refusal('VALIDATION_FAILED', 'No.'),
    new TypeError('It does not fit'),
    new RangeError('Deep'),
  ]

  test.each(poison)('holds up nobody, and stays in the journal: %s', async (error) => {
    const rows = [said('M1'), said('M2')]
    const { inbox, heard, errors, journal, hurdles } = setUp({ rows })
    hurdles.before = async (call) => {
      if (call === 'M1') throw error
    }
    await inbox.drain()
    await inbox.idle()
    expect(heard).toContain('M2')
    expect(journal.rows.flatMap(({ arrived }) => arrived.map(({ key }) => key.id))).toEqual(['M1'])
    expect(errors).toContain(error)
  })

  test('what is good to have does not keep the message: its raw form, its file', async () => {
    const { inbox, heard, hurdles } = setUp({ rows: [image('M1')] })
    hurdles.before = async (call) => {
      if (call !== 'M1 without file') throw new RangeError('Deep')
    }
    await inbox.drain()
    await inbox.idle()
    expect(heard).toEqual(['M1 without file'])
  })
})
