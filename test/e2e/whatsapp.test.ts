import '../support/quiet-whatsapp.ts'
import { randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { proto } from '@whiskeysockets/baileys'
import pg from 'pg'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { visitEmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'
import { verifySignature } from '../../src/domain/sign.ts'
import { createClient, login, type Client } from '../support/client.ts'
import { download, pdf, png, upload } from '../support/files.ts'
import type { Program } from '../support/program.ts'
import { startReceiver, type Received } from '../support/receiver.ts'
import { startWhatsAppProcess, type WhatsAppProcess } from '../support/whatsapp-process.ts'
import type { PlainStanza } from '../stand-ins/whatsapp/commands.ts'
import { ADMIN, createHome, type Home } from './home.ts'
import { createInstance, qrOf, untilConnected } from './linked.ts'
import { PATIENCE } from './main-job.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const SHOP = '5511900000000'
const MARIA = '5511900000001'
const MALLORY = '5511900000002'

let whatsApp: WhatsAppProcess
let home: Home
let program: Program
let admin: Client
let receiver: Awaited<ReturnType<typeof startReceiver>>
let instance: string
let secret: string
/** What all programs of this file have written. */
const outputs: (() => string)[] = []
/** What must not be in there. */
const secrets = new Set<string>()

const secretly = <T extends string>(text: T): T => {
  secrets.add(text)
  return text
}
const start = async () => {
  const started = await home.start()
  outputs.push(started.output)
  return started
}

beforeAll(async () => {
  whatsApp = await startWhatsAppProcess()
  for (const [name, phoneNumber] of Object.entries({ Shop: SHOP, Maria: MARIA, Mallory: MALLORY }))
    await whatsApp.control.person({ name, phoneNumber })
  home = await createHome({
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    LOG_LEVEL: 'trace',
    ...whatsApp.environment,
  })
  program = await start()
  admin = await login(program.url, ADMIN.email, ADMIN.password)
  instance = await createInstance(admin, 'Shop')
  await whatsApp.control.scan({ person: SHOP, qr: secretly(await qrOf(admin, instance)) })
  await untilConnected(admin, instance)
  receiver = await startReceiver()
  const { body } = await admin.put(`/instances/${instance}/webhook`, { webhook_url: receiver.url })
  secret = secretly(body.data.webhook_secret)
})
afterAll(async () => {
  await home?.remove()
  await Promise.all([whatsApp?.stop(), receiver?.close()])
})

/** The webhook that tells so, once it has come. */
const told = (event: string, whatsappId: string, data: object = {}): Promise<Received> =>
  vi.waitFor(() => {
    const found = receiver.received.find(
      (one) => one.event === event && one.data['whatsapp_message_id'] === whatsappId && fits(one.data, data),
    )
    expect(found, `${event} of ${whatsappId}`).toBeDefined()
    return found as Received
  }, PATIENCE)
const fits = (data: Received['data'], wanted: object) =>
  Object.entries(wanted).every(([name, value]) => data[name] === value)

const writeFrom = (person: string, text = `text ${randomUUID()}`) =>
  whatsApp.control.write({ from: person, to: SHOP, text: secretly(text) })

const sendTo = async (recipient: string, text = `text ${randomUUID()}`) => {
  const message = secretly(text)
  const { status, body } = await admin.post('/send-message', { instance_id: instance, recipient, message })
  expect([status, body.status]).toEqual([200, 'sent'])
  return { id: body.message_id as string, text }
}

/** The messages with somebody, oldest first. */
const messagesWith = async (person: string, client = admin) => {
  const { body } = await client.get(`/conversations?instance_id=${instance}`)
  const conversation = body.data.find(
    ({ contact_number }: { contact_number: string }) => contact_number === person,
  )
  const { body: page } = await client.get(`/conversations/${conversation.id}/messages?limit=100`)
  return page.data.messages as Record<string, unknown>[]
}
const messageWith = async (person: string, id: string) => {
  const found = (await messagesWith(person)).filter((one) => one['whatsapp_message_id'] === id)
  expect(found, 'the message, once').toHaveLength(1)
  return found[0]
}

it('a phone that scans the QR code of the API is paired, and a chat goes both ways', async () => {
  const id = await writeFrom(MARIA, 'Good morning, are you open?')
  const webhook = await told('message.received', id)
  expect(webhook.data).toMatchObject({
    content: 'Good morning, are you open?',
    sender_number: MARIA,
    sender_name: 'Maria',
  })
  expect(verifySignature(webhook.raw, String(webhook.headers['x-webhook-signature']), secret)).toBe(true)
  expect(await messageWith(MARIA, id)).toMatchObject({ direction: 'incoming', sender_number: MARIA })

  const sent = await sendTo(MARIA, 'Yes, until six.')
  expect(await whatsApp.control.received({ person: MARIA, id: sent.id })).toMatchObject({
    text: 'Yes, until six.',
    from: SHOP,
  })
  await told('message.sent', sent.id)
  expect(receiver.received.filter(({ data }) => data['whatsapp_message_id'] === id)).toHaveLength(1)
})

it('what becomes of a message is told: that it was delivered, then that it was read', async () => {
  const { id } = await sendTo(MARIA)
  await told('message.status', id, { new_status: 'delivered' })
  await whatsApp.control.receipt({ from: MARIA, to: SHOP, ids: [id], type: 'read' })
  await told('message.status', id, { previous_status: 'delivered', new_status: 'read' })
  await vi.waitFor(
    async () => expect(await messageWith(MARIA, id)).toMatchObject({ status: 'read' }),
    PATIENCE,
  )
})

it('a picture comes in, and its address gives the same bytes', async () => {
  const caption = secretly('What our shop looks like')
  const file = { kind: 'image', mimetype: 'image/png', caption, base64: png.toString('base64') } as const
  const id = await whatsApp.control.sendFile({ from: MARIA, to: SHOP, ...file })
  const { data } = await told('message.received', id)
  expect(data).toMatchObject({ content: caption, media_type: 'image' })
  expect((await download(admin, String(data['media_url']))).bytes.equals(png)).toBe(true)
})

it('a file goes out, and the phone gets the same bytes', async () => {
  const bytes = Buffer.concat([pdf, randomBytes(300_000)])
  const { body: uploaded } = await upload(admin, 'offer.pdf', bytes)
  const { status, body } = await admin.post('/send-media', {
    instance_id: instance,
    recipient: MARIA,
    media_id: uploaded.data.id,
    media_type: 'document',
    caption: secretly('Our offer, as agreed'),
  })
  expect([status, body.status]).toEqual([200, 'sent'])
  const received = await whatsApp.control.received({ person: MARIA, id: body.message_id })
  expect(JSON.stringify(received.message)).toContain('offer.pdf')
  const base64 = await whatsApp.control.file({ person: MARIA, id: body.message_id })
  expect(Buffer.from(base64, 'base64').equals(bytes)).toBe(true)
})

/**
 * How many rows each table has, but for those of the keys, of what is under way, of what was let know already, and of the
 * hash chain, which go by how much came at once.
 */
const rowCounts = async (pool: pg.Client): Promise<Record<string, number>> => {
  const { rows } = await pool.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public'
     and tablename not in ('log_digest', 'whatsapp_key', 'whatsapp_session', 'whatsapp_inbound') order by 1`,
  )
  const counts: Record<string, number> = {}
  for (const { name } of rows)
    counts[name] = (await pool.query(`select count(*)::integer as n from "${name}"`)).rows[0].n
  return counts
}

/** Until all that follows from the log is done, and noted: a count in between would miss some of it. */
const untilAtRest = (pool: pg.Client) =>
  vi.waitFor(async () => {
    const { rows } = await pool.query<{ head: string; open: number }>(
      `select max(position)::text as head,
              (select count(*)::integer from webhook_delivery where state = 'open') as open from event`,
    )
    const { body } = await admin.get('/ready')
    const positions = [...body.projections, ...body.reactions].map(
      ({ position }: { position: string }) => position,
    )
    expect(new Set(positions)).toEqual(new Set([rows[0]?.head]))
    expect(rows[0]?.open).toBe(0)
  }, PATIENCE)

const FORGED = secretly('This was never said')
const { Type, PeerDataOperationRequestType } = {
  ...proto.Message.ProtocolMessage,
  ...proto.Message,
}
const encoded = (message: proto.IMessage) =>
  Buffer.from(proto.Message.encode(message).finish()).toString('base64')
const stanza = (tag: string, attrs: PlainStanza['attrs'], content?: PlainStanza['content']): PlainStanza => ({
  tag,
  attrs,
  ...(content && { content }),
})
const inBase64 = (bytes: Uint8Array) => ({ base64: Buffer.from(bytes).toString('base64') })

/** A message that says to be of Maria. */
const ofMaria = (id: string, content: readonly PlainStanza[]) =>
  stanza('message', { id, from: `${MARIA}@s.whatsapp.net`, type: 'text', t: '1800000000' }, content)

/** What only an account's own phone may tell it. */
const forWhoeverBelievesIt = (): proto.IMessage[] => {
  const message = {
    key: { remoteJid: `${MARIA}@s.whatsapp.net`, fromMe: false, id: 'F0A6ED' },
    message: { conversation: FORGED },
    messageTimestamp: 1_800_000_000,
  }
  const history = proto.HistorySync.encode({
    syncType: proto.HistorySync.HistorySyncType.RECENT,
    conversations: [{ id: message.key.remoteJid, messages: [{ message }] }],
    pushnames: [{ id: message.key.remoteJid, pushname: FORGED }],
  }).finish()
  const own: proto.Message.IProtocolMessage[] = [
    {
      type: Type.HISTORY_SYNC_NOTIFICATION,
      historySyncNotification: {
        syncType: proto.Message.HistorySyncType.RECENT,
        initialHistBootstrapInlinePayload: deflateSync(history),
      },
    },
    {
      type: Type.PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE,
      peerDataOperationRequestResponseMessage: {
        stanzaId: 'F0A6ED',
        peerDataOperationRequestType: PeerDataOperationRequestType.PLACEHOLDER_MESSAGE_RESEND,
        peerDataOperationResult: [
          {
            placeholderMessageResendResponse: {
              webMessageInfoBytes: proto.WebMessageInfo.encode(message).finish(),
            },
          },
        ],
      },
    },
    {
      type: Type.APP_STATE_SYNC_KEY_SHARE,
      appStateSyncKeyShare: {
        keys: [{ keyId: { keyId: Buffer.from('forged') }, keyData: { keyData: Buffer.alloc(32) } }],
      },
    },
  ]
  return own.map((protocolMessage) => ({ protocolMessage }))
}

/** Stanzas that make no sense, and some that are not encrypted. */
const nonsense = (): PlainStanza[] => {
  const from = `${MARIA}@s.whatsapp.net`
  const text = proto.Message.encode({ conversation: FORGED }).finish()
  const enc = (type: string, bytes: Uint8Array) => stanza('enc', { v: '2', type }, inBase64(bytes))
  return [
    ofMaria('N1', [enc('msg', randomBytes(80))]),
    ofMaria('N2', [enc('pkmsg', randomBytes(200))]),
    ofMaria('N3', [enc('skmsg', randomBytes(90))]),
    ofMaria('N4', [enc('nothing', text)]),
    ofMaria('N5', [enc('plaintext', text)]),
    ofMaria('N6', [stanza('plaintext', {}, inBase64(text))]),
    ofMaria('N7', [stanza('body', {}, inBase64(text))]),
    ofMaria('N8', []),
    stanza('message', { id: 'N9', type: 'text', t: '1' }, [enc('msg', text)]),
    stanza('message', { from, type: 'text', t: '1' }, [enc('msg', text)]),
    stanza('message', { id: 'N10', from: 'somebody', type: 'text', t: 'yesterday' }, [enc('msg', text)]),
    stanza('message', { id: 'N11', from: '120363000000000000@g.us', type: 'text', t: '1' }, [
      enc('skmsg', text),
    ]),
    stanza('receipt', { id: 'N12', from, type: 'read', t: '1' }),
    stanza('receipt', { from }),
    stanza('receipt', { id: 'N13', from, type: 'retry', t: '1' }, [
      stanza('retry', { count: 'x', id: 'N13' }),
    ]),
    stanza('notification', { id: 'N14', from: '120363000000000000@g.us', type: 'w:gp2', t: '1' }),
    stanza('notification', { id: 'N15', from, type: 'encrypt', t: '1' }),
    stanza('notification', { id: 'N16', from, type: 'account_sync', t: '1' }),
    stanza('notification', { id: 'N17' }),
    stanza('call', { id: 'N18', from, t: '1' }, [stanza('offer', { 'call-id': FORGED })]),
    stanza('presence', {}),
    stanza('chatstate', { from }),
    stanza('ack', { class: 'message', id: 'N19', error: FORGED }),
    stanza('ib', {}, [stanza('nothing', {})]),
    stanza('iq', { id: 'N20', type: 'result' }),
    stanza('nonsense', { text: FORGED }),
  ]
}

it('what is forged or broken changes nothing, and is logged without its text', async () => {
  const { control } = whatsApp
  const { connectionString } = await visitEmbeddedPostgres({ directory: join(home.dataDir, 'postgres') })
  const pool = new pg.Client({ connectionString })
  await pool.connect()
  const arrives = async (person: string) => {
    await told('message.received', await writeFrom(person))
    return messagesWith(person)
  }
  const growth = async (happening: () => Promise<unknown>) => {
    await untilAtRest(pool)
    const before = await rowCounts(pool)
    await happening()
    await untilAtRest(pool)
    const after = await rowCounts(pool)
    return Object.fromEntries(Object.entries(after).map(([name, n]) => [name, n - (before[name] ?? 0)]))
  }
  try {
    await arrives(MARIA)
    await arrives(MALLORY)
    const both = async () => {
      await arrives(MARIA)
      await arrives(MALLORY)
    }
    const usual = await growth(both)
    const webhooks = receiver.received.length
    const logged = program.output().length
    const withForged = await growth(async () => {
      for (const message of forWhoeverBelievesIt())
        await control.writeBytes({ from: MALLORY, to: SHOP, base64: encoded(message) })
      await control.writeBytes({ from: MALLORY, to: SHOP, base64: 'Cv////8P' })
      for (const one of nonsense()) await control.say({ to: SHOP, stanza: one })
      await both()
    })
    expect(withForged).toEqual(usual)
    expect(receiver.received.slice(webhooks).map(({ event }) => event)).toEqual([
      'message.received',
      'message.received',
    ])
    await untilConnected(admin, instance)
    const log = program.output().slice(logged)
    expect(log).toContain('"part":"whatsapp"')
    expect(log).not.toContain(FORGED)
  } finally {
    await pool.end()
  }
})

it('a message that comes again after a crash is there once', async () => {
  const { control } = whatsApp
  await control.faults({ receiptsLost: true })
  const id = await writeFrom(MARIA)
  await told('message.received', id)
  await program.kill()
  const missed = await writeFrom(MARIA)
  program = await start()
  admin = createClient(program.url, admin.token)
  await told('message.received', missed)
  await control.faults({ receiptsLost: false })
  const after = await writeFrom(MARIA)
  await told('message.received', after)
  const ids = (await messagesWith(MARIA)).map((one) => one['whatsapp_message_id'])
  expect(ids.slice(-3)).toEqual([id, missed, after])
  expect(new Set(ids).size).toBe(ids.length)
})

it('a phone that types the pairing code is paired as well', async () => {
  const { control } = whatsApp
  const phone = await control.person({ name: 'Branch' })
  const branch = await createInstance(admin, 'Branch')
  secretly(await qrOf(admin, branch))
  const { status, body } = await admin.post(`/instances/${branch}/pairing-code`, {
    phone_number: phone.phoneNumber,
  })
  expect(status).toBe(200)
  const code: string = secretly(body.data.code)
  secretly(code.replace('-', ''))
  await control.enterCode({ person: phone.phoneNumber, code: code.replace('-', '') })
  await untilConnected(admin, branch)
  const { body: shown } = await admin.get(`/instances/${branch}`)
  expect(shown.data).toMatchObject({ phone_number: phone.phoneNumber })
})

it('Ctrl-C ends it in time, also while WhatsApp does not answer, and leaves nothing running', async () => {
  expect(await home.postgresPid()).toBeGreaterThan(0)
  whatsApp.freeze()
  const begun = performance.now()
  expect(await program.stop()).toBe(0)
  const tookMs = performance.now() - begun
  whatsApp.thaw()
  expect(tookMs).toBeLessThan(10_000)
  expect(() => process.kill(program.pid, 0)).toThrow('ESRCH')
  expect(await home.postgresPid()).toBeUndefined()
  await vi.waitFor(
    async () => expect(await whatsApp.control.counts()).toMatchObject({ connections: 0 }),
    PATIENCE,
  )
  program = await start()
  admin = createClient(program.url, admin.token)
  await told('message.received', await writeFrom(MARIA))
  expect(await program.stop()).toBe(0)
})

it('its log has neither keys nor codes nor what people say, however much is logged', async () => {
  const key = (await readFile(join(home.dataDir, 'encryption.key'), 'utf8')).trim()
  const log = outputs.map((output) => output()).join('\n')
  expect(log).toContain('"level":"debug"')
  for (const text of [...secrets, key]) expect(log).not.toContain(text)
  expect(log).not.toMatch(/privKey|wa\.me\/settings|<Buffer|[A-Za-z0-9+/]{43}=/)
  expect(await whatsApp.control.errors()).toEqual([])
})
