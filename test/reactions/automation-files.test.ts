import { describe, expect, onTestFinished, test } from 'vitest'
import { dyingAt, flowOf, reply, startAutomated } from '../support/automations.ts'
import { MARY } from '../support/facts.ts'
import { startFileServer } from '../support/files.ts'
import { testLog } from '../support/log.ts'
import { eventually } from '../support/eventually.ts'

const fileServer = async () => {
  const server = await startFileServer()
  onTestFinished(server.close)
  return server
}

describe('a file that a flow sends', () => {
  const sending = (media_url: string) =>
    flowOf(
      reply('Here it is'),
      { type: 'media', media_url, media_type: 'image', caption: 'Yours' },
      reply('Bye'),
    )

  test('is here before its message is queued, in its place between the others', async () => {
    const log = await testLog()
    const { url, asked } = await fileServer()
    const { startProgram, hear, said, runs, ofType } = await startAutomated(log, [sending(`${url}/a.jpg`)])
    startProgram()
    await hear('hello')
    await eventually(async () => expect(await runs()).toEqual(['started', 'ended: completed']))
    await eventually(() => expect(said()).toEqual(['Here it is', 'image', 'Bye']))
    const mediaId = expect.any(String)
    expect(ofType('MessageQueued')[1]?.data).toMatchObject({
      content: { kind: 'image', url: `${url}/a.jpg`, mediaId, mimeType: 'image/jpeg', caption: 'Yours' },
    })
    const [stored] = ofType('MediaStored')
    expect(stored?.position).toBeLessThan(ofType('MessageQueued')[1]?.position ?? 0n)
    expect(asked).toEqual(['a.jpg'])
  })

  test('is fetched once and sent once, even if the program is killed between sending and recording', async () => {
    const log = await testLog()
    const { url, asked } = await fileServer()
    const { startProgram, hear, said, runs } = await startAutomated(log, [sending(`${url}/a.jpg`)])
    const first = startProgram({ writing: dyingAt('run') })
    await hear('hello')
    await eventually(() => expect(first.errors).not.toEqual([]))
    await first.stop()
    startProgram()
    await eventually(async () => expect(await runs()).toEqual(['started', 'ended: completed']))
    await eventually(() => expect(said()).toEqual(['Here it is', 'image', 'Bye']))
    expect(asked).toEqual(['a.jpg'])
  })

  test.each([
    ['gone', 'The file could not be fetched: answered 404.'],
    ['a.pdf', 'This file (application/pdf) cannot be sent as image.'],
  ])('and cannot be sent (%s) leaves the conversation to people, and says why', async (name, why) => {
    const log = await testLog()
    const { url } = await fileServer()
    const { startProgram, hear, said, runs, run, conversation } = await startAutomated(log, [
      sending(`${url}/${name}`),
    ])
    startProgram()
    await hear('hello')
    await eventually(async () => expect((await conversation()).automation).toBe('paused'))
    expect(await runs()).toEqual(['started', 'ended: failed'])
    expect((await run()).ended?.reason).toContain(why)
    await eventually(() => expect(said()).toEqual(['Here it is']))
  })

  test('and takes its time holds up neither other conversations nor the end of the program', async () => {
    const log = await testLog()
    const asked: string[] = []
    const server = await startFileServer({}, (request) => void asked.push(request.url ?? ''))
    onTestFinished(server.close)
    const { startProgram, hear, said } = await startAutomated(log, [
      flowOf({
        type: 'branch',
        cases: [
          {
            match: { type: 'keyword', words: ['file'], match: 'starts_with' },
            steps: [{ type: 'media', media_url: `${server.url}/slow`, media_type: 'image' }],
          },
        ],
        otherwise: [reply('Quick')],
      }),
    ])
    const program = startProgram()
    const others = ['5511777777771', '5511777777772', '5511777777773'].map((one) => `${one}@s.whatsapp.net`)
    await Promise.all(others.map((chat, n) => hear(`file ${n}`, chat)))
    await eventually(() => expect(asked).toHaveLength(others.length))
    await hear('hello', MARY)
    await eventually(() => expect(said(MARY)).toEqual(['Quick']))
    await program.stop()
  })
})
