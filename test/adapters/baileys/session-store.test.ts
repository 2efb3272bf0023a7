import { randomBytes, randomUUID } from 'node:crypto'
import { BufferJSON, proto, type AuthenticationState, type SignalDataSet } from '@whiskeysockets/baileys'
import fc from 'fast-check'
import type { Pool } from 'pg'
import { expect, test, vi } from 'vitest'
import { createCipher } from '../../../src/adapters/baileys/cipher.ts'
import { purgeSessions } from '../../../src/adapters/baileys/kept.ts'
import { forgetSession, openSessionStore, Overtaken } from '../../../src/adapters/baileys/session-store.ts'
import { testPool } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'

const key = randomBytes(32)
const unexpected = (error: unknown) => {
  throw error
}
const open = (pool: Pool, instanceId: string, term = 1, cipher = createCipher(key)) =>
  openSessionStore({ pool, cipher, onError: unexpected }, { instanceId, term })

const account = {
  details: randomBytes(20),
  accountSignature: randomBytes(64),
  deviceSignature: randomBytes(64),
}
const PHONE = '5511987654321'

/** The library may be answered without a promise; this is one in any case. */
const put = async ({ keys }: Pick<AuthenticationState, 'keys'>, data: SignalDataSet) => keys.set(data)
const take = async ({ keys }: Pick<AuthenticationState, 'keys'>, id: string) => keys.get('identity-key', [id])

const countOf = async (pool: Pool, table: string) => {
  const { rows } = await pool.query<{ count: number }>(`select count(*)::integer from ${table}`)
  return rows[0]?.count
}

test('creds and keys are as they were after a restart', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const before = await open(pool, instanceId)
  Object.assign(before.auth.creds, {
    me: { id: `${PHONE}:3@s.whatsapp.net` },
    account: proto.ADVSignedDeviceIdentity.fromObject(account),
  })
  await before.saveCreds()
  const session = { version: 'v1', _sessions: { a: { registrationId: 1 } } }
  const keyData = randomBytes(32)
  const syncKey = proto.Message.AppStateSyncKeyData.fromObject({ keyData, timestamp: 5 })
  const written = {
    session: { [`${PHONE}.0`]: Buffer.from(JSON.stringify(session)) },
    'pre-key': { 7: { public: randomBytes(32), private: randomBytes(32) } },
    'device-list': { [PHONE]: ['0', '3'] },
    'app-state-sync-key': { k: syncKey },
  }
  await before.auth.keys.set(written)

  const { auth } = await open(pool, instanceId)
  expect(JSON.parse(JSON.stringify(auth.creds, BufferJSON.replacer))).toEqual(
    JSON.parse(JSON.stringify(before.auth.creds, BufferJSON.replacer)),
  )
  const { details } = auth.creds.account ?? {}
  expect(details && Buffer.from(details)).toEqual(account.details)
  expect(await auth.keys.get('session', [`${PHONE}.0`, 'nobody.0'])).toEqual(written.session)
  expect(await auth.keys.get('pre-key', ['7'])).toEqual(written['pre-key'])
  expect(await auth.keys.get('device-list', [PHONE])).toEqual(written['device-list'])
  const { k } = await auth.keys.get('app-state-sync-key', ['k'])
  expect(k?.keyData && Buffer.from(k.keyData)).toEqual(keyData)
})

test('a pairing that was left half-way begins anew', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const before = await open(pool, instanceId)
  Object.assign(before.auth.creds, { me: { id: `${PHONE}@s.whatsapp.net` }, pairingCode: 'ABCD1234' })
  await before.saveCreds()

  const { auth } = await open(pool, instanceId)
  expect(auth.creds.me).toBeUndefined()
  expect(auth.creds.noiseKey).not.toEqual(before.auth.creds.noiseKey)
})

test('creds are kept as they are when they are saved, and the last ones stay', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const store = await open(pool, instanceId)
  Object.assign(store.auth.creds, { account })
  const saves = Array.from({ length: 20 }, (_, n) => {
    store.auth.creds.accountSyncCounter = n
    return store.saveCreds()
  })
  store.auth.creds.accountSyncCounter = 1000
  await Promise.all(saves)
  expect((await open(pool, instanceId)).auth.creds.accountSyncCounter).toBe(19)
})

test('what the database keeps tells nobody a key, a number, an id or a text', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const { auth, saveCreds, messages } = await open(pool, instanceId)
  Object.assign(auth.creds, { account, me: { id: `${PHONE}:3@s.whatsapp.net`, name: 'Marcela Prado' } })
  await saveCreds()
  const preKey = { public: randomBytes(32), private: randomBytes(32) }
  await auth.keys.set({
    'pre-key': { 7: preKey },
    session: { [`${PHONE}.0`]: Buffer.from('ratchet of today') },
  })
  await messages.remember([
    {
      key: { remoteJid: `${PHONE}@s.whatsapp.net`, id: 'MESSAGE-ID-1', fromMe: true },
      message: { conversation: 'The parcel is at the door' },
    },
  ])

  const tables = ['whatsapp_session', 'whatsapp_key', 'whatsapp_inbound', 'whatsapp_message']
  const dumps = await Promise.all(tables.map((table) => pool.query(`select * from ${table}`)))
  const bytes = Buffer.concat(
    dumps.flatMap(({ rows }) =>
      rows.flatMap((row: Record<string, unknown>) =>
        Object.values(row).map((value) => (Buffer.isBuffer(value) ? value : Buffer.from(String(value)))),
      ),
    ),
  )
  expect(dumps.map(({ rowCount }) => rowCount)).toEqual([1, 2, 0, 1])
  const secrets = [
    PHONE,
    'Marcela',
    'parcel',
    'MESSAGE-ID-1',
    'ratchet of today',
    'noiseKey',
    ...[preKey.private, auth.creds.noiseKey.private, auth.creds.signedIdentityKey.private].flatMap(
      (secret) => [Buffer.from(secret), Buffer.from(secret).toString('base64')],
    ),
    ...['ratchet of today', PHONE].map((text) => Buffer.from(text).toString('base64').slice(0, 16)),
  ]
  for (const secret of secrets) expect(bytes.includes(secret), String(secret)).toBe(false)
})

test('a row opens at its own place only', async () => {
  const pool = await testPool()
  const [one, other] = [randomUUID(), randomUUID()]
  const { auth } = await open(pool, one)
  await auth.keys.set({ 'identity-key': { a: Buffer.from('of a'), b: Buffer.from('of b') } })
  await pool.query(
    `update whatsapp_key k set value = o.value from whatsapp_key o where k.instance_id = o.instance_id and k.id <> o.id`,
  )
  await expect(take(auth, 'a')).rejects.toThrow('cannot be decrypted')

  const moved = await open(pool, other)
  await moved.auth.keys.set({ 'identity-key': { a: Buffer.from('of the other') } })
  await pool.query(
    'update whatsapp_key set value = (select value from whatsapp_key where instance_id = $1 limit 1)',
    [one],
  )
  await expect(take(moved.auth, 'a')).rejects.toThrow('cannot be decrypted')
})

test('with another key a session does not open, and stays as it is', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const store = await open(pool, instanceId)
  Object.assign(store.auth.creds, { account })
  await store.saveCreds()
  await expect(open(pool, instanceId, 1, createCipher(randomBytes(32)))).rejects.toThrow(
    'cannot be decrypted',
  )
  const again = await open(pool, instanceId)
  expect(again.auth.creds.noiseKey.private).toEqual(store.auth.creds.noiseKey.private)
})

test('a store that was overtaken writes nothing any more', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const before = await open(pool, instanceId, 3)
  const after = await open(pool, instanceId, 4)
  await after.auth.keys.set({ 'device-list': { a: ['1'] } })
  Object.assign(before.auth.creds, { account })

  await expect(put(before.auth, { 'device-list': { a: ['2'], b: ['2'] } })).rejects.toThrow(Overtaken)
  await expect(before.saveCreds()).rejects.toThrow(Overtaken)
  await expect(before.wipe()).rejects.toThrow(Overtaken)
  expect(before.broken.reason).toBeInstanceOf(Overtaken)
  await expect(open(pool, instanceId, 3)).rejects.toThrow(Overtaken)
  expect(await after.auth.keys.get('device-list', ['a', 'b'])).toEqual({ a: ['1'] })
  expect((await open(pool, instanceId, 4)).auth.creds.account).toBeUndefined()
})

test('a later opening overtakes an earlier one of the same term', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const before = await open(pool, instanceId)
  await open(pool, instanceId)
  await expect(before.saveCreds()).rejects.toThrow(Overtaken)
})

const WAITING = `datname = current_database() and wait_event_type = 'Lock'`
const waitingFor = async (pool: Pool) => countOf(pool, `pg_stat_activity where ${WAITING}`)

/** Does something in a transaction of its own, waits until so many others wait for it, and commits. */
const holding = async (
  pool: Pool,
  statement: string,
  values: unknown[],
  others: () => unknown,
  waiting: number,
  then = 'select',
) => {
  const client = await pool.connect()
  await client.query('begin')
  await client.query(statement, values)
  others()
  await vi.waitFor(async () => expect(await waitingFor(pool)).toBe(waiting), 10_000)
  await client.query(then)
  await client.query('commit')
  client.release()
}

test('a session that is opened elsewhere before keys are written has none of them', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const { auth } = await open(pool, instanceId)
  let refused: Promise<unknown> | undefined
  // As an opening does, which comes first by the length of a statement.
  await holding(
    pool,
    'update whatsapp_session set opening = gen_random_uuid(), term = 2 where instance_id = $1',
    [instanceId],
    () => {
      refused = expect(put(auth, { 'device-list': { a: ['1'] }, 'lid-mapping': { b: '1' } })).rejects.toThrow(
        Overtaken,
      )
    },
    1,
  )
  await refused
  expect(await countOf(pool, 'whatsapp_key')).toBe(0)
})

test('a session that is opened elsewhere while keys are written waits, and has all of them', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const { auth } = await open(pool, instanceId)
  await auth.keys.set({ 'device-list': { a: ['1'] } })
  let writing: Promise<unknown> | undefined
  let opening: ReturnType<typeof open> | undefined
  // Keeps the keys from being written after the row of the session was locked for them.
  await holding(
    pool,
    'select from whatsapp_key where instance_id = $1 for update',
    [instanceId],
    () => {
      writing = put(auth, { 'device-list': { a: ['2'] }, 'lid-mapping': { b: '2' } })
      void (async () => {
        await eventually(async () => expect(await waitingFor(pool)).toBe(1))
        opening = open(pool, instanceId, 2)
      })()
    },
    2,
  )
  await writing
  const next = await opening
  expect(await next?.auth.keys.get('device-list', ['a'])).toEqual({ a: ['2'] })
  expect(await next?.auth.keys.get('lid-mapping', ['b'])).toEqual({ b: '2' })
})

test('a set that fails in the middle leaves nothing behind, and ends the store', async () => {
  const pool = await testPool()
  const { auth, broken } = await open(pool, randomUUID())
  await pool.query(`alter table whatsapp_key add constraint no_tokens check (kind <> 'tctoken')`)
  const half: SignalDataSet = { 'device-list': { a: ['1'] }, tctoken: { b: { token: randomBytes(8) } } }
  await expect(put(auth, half)).rejects.toThrow('no_tokens')
  expect(await countOf(pool, 'whatsapp_key')).toBe(0)
  expect(broken.aborted).toBe(true)
  await expect(put(auth, { 'device-list': { a: ['1'] } })).rejects.toThrow('no_tokens')
  expect(await countOf(pool, 'whatsapp_key')).toBe(0)
})

test('a connection that breaks under a set is no failure', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const { auth, broken } = await open(pool, instanceId)
  await auth.keys.set({ 'device-list': { a: ['1'] } })
  let writing: Promise<unknown> | undefined
  await holding(
    pool,
    'select from whatsapp_key where instance_id = $1 for update',
    [instanceId],
    () => void (writing = put(auth, { 'device-list': { a: ['2'], b: ['2'] } })),
    1,
    `select pg_terminate_backend(pid) from pg_stat_activity where ${WAITING}`,
  )
  await writing
  expect(await auth.keys.get('device-list', ['a', 'b'])).toEqual({ a: ['2'], b: ['2'] })
  expect(broken.aborted).toBe(false)
})

test('sets that come at once are all written, whatever their order within', async () => {
  const pool = await testPool()
  const stores = await Promise.all([randomUUID(), randomUUID()].map((id) => open(pool, id)))
  const ids = Array.from({ length: 40 }, (_, n) => String(n))
  const set = (n: number) =>
    stores.map(async ({ auth }) => {
      const inOrder = n % 2 === 0 ? ids : ids.toReversed()
      await auth.keys.set({
        'lid-mapping': Object.fromEntries(inOrder.map((id) => [`id ${id}`, `set ${n}`])),
        'device-list': { [`own ${n}`]: [String(n)] },
      })
    })
  await Promise.all(Array.from({ length: 50 }, (_, n) => set(n)).flat())
  for (const { auth } of stores) {
    const shared = await auth.keys.get(
      'lid-mapping',
      ids.map((id) => `id ${id}`),
    )
    expect(new Set(Object.values(shared))).toEqual(new Set(['set 49']))
    expect(
      Object.keys(
        await auth.keys.get(
          'device-list',
          ids.map((id) => `own ${id}`),
        ),
      ),
    ).toHaveLength(40)
  }
})

test('keys behave like a map', async () => {
  const pool = await testPool()
  const ids = ['a', 'b', 'constructor', '1', 'ü \u{1f600}', '']
  const kinds = ['device-list', 'lid-mapping'] as const
  const step = fc.record({
    kind: fc.constantFrom(...kinds),
    values: fc.dictionary(fc.constantFrom(...ids), fc.option(fc.string()), { maxKeys: 4 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 6 }), async (batches) => {
      const { auth } = await open(pool, randomUUID())
      const model = { 'device-list': new Map<string, string>(), 'lid-mapping': new Map<string, string>() }
      for (const batch of batches) {
        const sets = batch.map(async ({ kind, values }) => {
          for (const [id, value] of Object.entries(values))
            if (value === null) model[kind].delete(id)
            else model[kind].set(id, value)
          const wrapped = Object.entries(values).map(([id, value]) => [
            id,
            value === null ? null : kind === 'device-list' ? [value] : value,
          ])
          await auth.keys.set({ [kind]: Object.fromEntries(wrapped) })
        })
        await Promise.all(sets)
        const [lists, mappings] = await Promise.all([
          auth.keys.get('device-list', ids),
          auth.keys.get('lid-mapping', ids),
        ])
        expect(new Map(Object.entries(lists).map(([id, list]) => [id, list[0]]))).toEqual(
          model['device-list'],
        )
        expect(new Map(Object.entries(mappings))).toEqual(model['lid-mapping'])
      }
    }),
    { numRuns: 40 },
  )
})

test('an unlinked session loses creds and keys at once, also those on their way, and begins anew', async () => {
  const pool = await testPool()
  const instanceId = randomUUID()
  const { auth, saveCreds, wipe, broken } = await open(pool, instanceId)
  Object.assign(auth.creds, { account })
  await saveCreds()
  await put(auth, { 'device-list': { a: ['1'] } })
  const under: Promise<unknown>[] = []
  const wiped: Promise<unknown>[] = []
  await holding(
    pool,
    'select from whatsapp_key where instance_id = $1 for update',
    [instanceId],
    () => {
      under.push(put(auth, { 'device-list': { a: ['2'], b: ['2'] } }))
      void eventually(async () => expect(await waitingFor(pool)).toBe(1)).then(() => wiped.push(wipe()))
    },
    2,
  )
  await Promise.all([...under, ...wiped])
  expect(wiped).toHaveLength(1)
  expect(await countOf(pool, 'whatsapp_key')).toBe(0)
  await expect(put(auth, { 'device-list': { c: ['1'] } })).rejects.toThrow(Overtaken)
  await expect(saveCreds()).rejects.toThrow(Overtaken)
  await wipe()
  expect(broken.aborted).toBe(false)
  expect((await open(pool, instanceId)).auth.creds.account).toBeUndefined()
})

test('a deleted instance leaves nothing, and what is still open for it writes nothing', async () => {
  const pool = await testPool()
  const [gone, other] = [randomUUID(), randomUUID()]
  const stores = await Promise.all([open(pool, gone), open(pool, other)])
  const message = { key: { remoteJid: '1@lid', id: 'M1', fromMe: true }, message: { conversation: 'hello' } }
  for (const { auth, messages, saveCreds } of stores) {
    await auth.keys.set({ 'device-list': { a: ['1'] } })
    await messages.remember([message])
    await saveCreds()
  }
  await forgetSession(pool, gone)
  await expect(stores[0].saveCreds()).rejects.toThrow(Overtaken)
  await stores[0].messages.remember([message])
  for (const table of ['whatsapp_session', 'whatsapp_key', 'whatsapp_message']) {
    const { rows } = await pool.query(`select distinct instance_id from ${table}`)
    expect(rows).toEqual([{ instance_id: other }])
  }
})

test('raw messages come back whole, and are forgotten after 30 days', async () => {
  const pool = await testPool()
  const { messages } = await open(pool, randomUUID())
  const message = {
    key: { remoteJid: '1@lid', remoteJidAlt: `${PHONE}@s.whatsapp.net`, id: 'M1', fromMe: false },
    pushName: 'Alice',
    messageTimestamp: 1_700_000_000,
    message: {
      conversation: 'hello',
      messageContextInfo: { messageSecret: new Uint8Array(randomBytes(32)) },
    },
  }
  await messages.remember([
    message,
    { key: { ...message.key, id: 'M2' }, messageStubType: proto.WebMessageInfo.StubType.CIPHERTEXT },
  ])
  const found = await messages.find(message.key)
  expect(found).toMatchObject({ key: message.key, pushName: 'Alice', message: { conversation: 'hello' } })
  expect(Buffer.from(found?.message?.messageContextInfo?.messageSecret ?? [])).toEqual(
    Buffer.from(message.message.messageContextInfo.messageSecret),
  )
  expect(await messages.find({ id: 'M2', fromMe: false })).toBeUndefined()

  await pool.query(`update whatsapp_message set at = now() - interval '29 days'`)
  await purgeSessions(pool, unexpected)
  expect(await messages.find(message.key)).toBeDefined()
  await pool.query(`update whatsapp_message set at = now() - interval '31 days'`)
  await purgeSessions(pool, unexpected)
  expect(await messages.find(message.key)).toBeUndefined()
})

test('nobody puts another message in the place of one that we know', async () => {
  const pool = await testPool()
  const { messages } = await open(pool, randomUUID())
  const said = (fromMe: boolean, conversation: string) => ({
    key: { remoteJid: '1@lid', id: 'M1', fromMe },
    message: { conversation },
  })
  await messages.remember([said(true, 'Our price is 10')])
  await messages.remember([said(false, 'Our price is 1')])
  await messages.remember([said(true, 'Our price is 2')])
  expect((await messages.find({ id: 'M1', fromMe: true }))?.message?.conversation).toBe('Our price is 10')
  await messages.forget([{ id: 'M1', fromMe: true }])
  expect(await messages.find({ id: 'M1', fromMe: true })).toBeUndefined()
  expect((await messages.find({ id: 'M1', fromMe: false }))?.message?.conversation).toBe('Our price is 1')
})
