import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createClient, createConnectedInstance, incomingPayload, login } from '../support/client.ts'
import { startReceiver } from '../support/receiver.ts'
import { ADMIN, createHome, type Home } from './home.ts'

const PATIENCE = { timeout: 20_000, interval: 20 }
const isAlive = (pid: number | undefined) => {
  if (pid === undefined) return false
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
const failureOf = (start: Promise<unknown>) =>
  start.then(
    () => 'It started.',
    (error: unknown) => String(error),
  )
const passwordIn = (output: string) => /Password: +(\S+)/.exec(output)?.[1]

/** A home of its own, gone after the tests around it. */
const homeFor = (environment: Record<string, string> = {}) => {
  const own: { home?: Home } = {}
  beforeAll(async () => {
    own.home = await createHome(environment)
  })
  afterAll(() => own.home?.remove())
  return () => {
    if (!own.home) throw new Error('There is no home yet')
    return own.home
  }
}

describe('a fresh start', () => {
  const home = homeFor()

  it('makes up an account and prints its password once; the next start finds everything again', async () => {
    const begun = performance.now()
    const first = await home().start()
    console.info(`ready ${Math.round(performance.now() - begun)} ms after a fresh start`)
    const password = passwordIn(first.output())
    expect(password).toMatch(/^\S{16,}$/)
    expect(first.output().split(String(password))).toHaveLength(2)
    const admin = await login(first.url, 'admin@zapini.local', String(password))
    const instance = await createConnectedInstance(admin, 'kept')
    const { body: sent } = await admin.post('/send-message', { recipient: '5511999999999', message: 'kept' })
    const { body: before } = await admin.get(`/instances/${instance}`)
    expect(await first.stop()).toBe(0)

    const secondBegun = performance.now()
    const second = await home().start()
    console.info(`ready ${Math.round(performance.now() - secondBegun)} ms after a second start`)
    expect(passwordIn(second.output())).toBeUndefined()
    const again = await login(second.url, 'admin@zapini.local', String(password))
    await vi.waitFor(async () => {
      const { status, body: after } = await again.get(`/instances/${instance}`)
      expect(status).toBe(200)
      expect(after.data).toMatchObject({ uuid: instance, id: before.data.id, connected: true })
    }, PATIENCE)
    const { body: outbox } = await again.get(`/sandbox/instances/${instance}/outbox`)
    expect(outbox.data.messages).toMatchObject([{ message_id: sent.message_id, text: 'kept' }])
    expect(await second.stop()).toBe(0)
  })

  it('ends with 0 at Ctrl-C and takes its PostgreSQL with it', async () => {
    const program = await home().start()
    const postgres = await home().postgresPid()
    expect(isAlive(postgres)).toBe(true)
    expect(await program.stop()).toBe(0)
    expect(isAlive(program.pid)).toBe(false)
    expect(isAlive(postgres)).toBe(false)
    expect(await home().postgresPid()).toBeUndefined()
  })

  it('of a second program on the same directory fails, says what to do, and leaves the first alone', async () => {
    const first = await home().start()
    const failure = await failureOf(home().start())
    expect(failure).toContain('ended with 1')
    expect(failure).toContain(`in use by Zapini, process ${first.pid}. Stop it first`)
    expect(failure, 'words, not a stack').not.toMatch(/\n\s+at /)
    const { port } = new URL(first.url)
    const atItsPort = await failureOf(home().start({ PORT: port }))
    expect(atItsPort).toContain(`Port ${port} at 127.0.0.1 is in use. Set PORT to another one`)
    expect((await createClient(first.url).get('/health')).status).toBe(200)
    expect(await first.stop()).toBe(0)
  })

  it('with a configuration that is not valid fails and names each variable', async () => {
    const failure = await failureOf(
      home().start({ PORT: 'http', WEBHOOK_RETRY_SECONDS: '5,soon', OPERATOR_TOKEN: 'short' }),
    )
    expect(failure).toContain('ended with 1')
    for (const variable of ['PORT', 'WEBHOOK_RETRY_SECONDS', 'OPERATOR_TOKEN'])
      expect(failure).toMatch(new RegExp(`^- ${variable} `, 'm'))
    expect(failure, 'a secret is not repeated').not.toContain('short')
  })
})

describe('a configured start', () => {
  const OPERATOR_TOKEN = 'an operator token, 16 or more'
  const home = homeFor({
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    OPERATOR_TOKEN,
    LOG_LEVEL: 'debug',
    WEBHOOK_RETRY_SECONDS: '0.05',
  })

  it('uses the account that it is given, and logs no secret, token or message, even when things fail', async () => {
    const program = await home().start()
    const userToken = async () => {
      const { body } = await createClient(program.url).post('/auth/login', ADMIN)
      return String(body.data.token)
    }
    const token = await userToken()
    const admin = createClient(program.url, token)
    const receiver = await startReceiver((_, nth) => ({ status: nth % 2 === 0 ? 200 : 503 }))
    onTestFinished(receiver.close)

    const instance = await createConnectedInstance(admin, 'quiet')
    const secret = 'whsec_c2VjcmV0IG9mIHRoZSB3ZWJob29r'
    await admin.put(`/instances/${instance}/webhook`, { webhook_url: receiver.url, webhook_secret: secret })
    const { body: issued } = await admin.post(`/instances/${instance}/tokens`, { name: 'bot' })
    const instanceToken = String(issued.data.token)
    expect(instanceToken).toMatch(/^sk_/)
    const bot = createClient(program.url, instanceToken)

    const texts = { in: 'words that came in', out: 'words that went out', refused: 'words that were refused' }
    const number = '5511987654321'
    await admin.post(`/webhooks/instance/${instance}/incoming`, incomingPayload('A1', number, texts.in))
    await bot.post('/send-message', { recipient: number, message: texts.out })
    await admin.post(`/sandbox/instances/${instance}/failures`, { outcome: 'refuse', times: 1 })
    await bot.post('/send-message', { recipient: number, message: texts.refused })
    await bot.post('/send-message', `{"recipient":"${number}","message":"${texts.out}`)
    await admin.as('1|not-a-token-of-ours').get('/auth/me')
    await createClient(program.url).post('/auth/login', { ...ADMIN, password: 'not the password' })
    await createClient(program.url, OPERATOR_TOKEN).post('/tenants', { name: 'Acme' })
    const seen = () => receiver.received.map(({ data }) => data['content'])
    await vi.waitFor(() => expect(seen()).toEqual(expect.arrayContaining([texts.in, texts.out])), PATIENCE)
    expect(await program.stop()).toBe(0)

    const output = program.output() + (await home().databaseLog())
    expect(output, 'there is a log to look at').toContain('webhook attempt')
    expect(output).toContain(ADMIN.email)
    const mustNotShow = {
      ...texts,
      number,
      token: token.split('|')[1],
      instanceToken,
      secret,
      operatorToken: OPERATOR_TOKEN,
      password: ADMIN.password,
      wrongPassword: 'not the password',
      strangeToken: 'not-a-token-of-ours',
    }
    for (const [what, text] of Object.entries(mustNotShow))
      expect(output.includes(String(text)), what).toBe(false)
  })
})
