import { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import type { BinaryNode } from '@whiskeysockets/baileys'
import { expect, onTestFinished, test, vi } from 'vitest'
import { handleInTurn } from '../../../src/adapters/baileys/stanzas.ts'
import { gate } from '../../support/subscriber.ts'
import { eventually } from '../../support/eventually.ts'

const TWO_MINUTES = 120_000

/** A socket with the library behind it, which is busy with a stanza for as long as `busy` says. */
const wire = (busy: (id: string) => Promise<void>, room = () => Promise.resolve()) => {
  const ws = Object.assign(new EventEmitter(), { isOpen: true })
  const handled: string[] = []
  const failures: unknown[] = []
  for (const event of ['CB:message', 'CB:receipt'])
    ws.on(event, async ({ attrs: { id = '' } }: BinaryNode) => {
      await busy(id)
      handled.push(id)
    })
  handleInTurn(
    { ws },
    {
      hasRoom: room,
      before: ({ attrs }) => handled.push(`before ${attrs['id']}`),
      onFailed: (error) => {
        failures.push(error)
        ws.isOpen = false
      },
    },
  )
  const come = (event: 'CB:message' | 'CB:receipt', ...ids: string[]) => {
    for (const id of ids)
      ws.emit(event, {
        tag: '',
        attrs: { id, offline: '1', ...(id.startsWith('PEER') && { category: 'peer' }) },
      })
  }
  return { come, handled, failures }
}

test('messages and receipts are handled in the order in which they came, each announced in its turn', async () => {
  const { opened, open } = gate()
  const { come, handled } = wire((id) => (id === 'A' ? opened : Promise.resolve()))
  come('CB:message', 'A', 'B')
  come('CB:receipt', 'of A')
  come('CB:message', 'C')
  await turn()
  expect(handled).toEqual(['before A'])
  open()
  await eventually(() => expect(handled).toEqual(['before A', 'A', 'before B', 'B', 'of A', 'before C', 'C']))
})

test('what is not handled within two minutes ends its connection, and nothing after it is acknowledged', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const { opened: hangs, open: hang } = gate()
  const { come, handled, failures } = wire(async (id) => {
    if (id !== 'B') return
    hang()
    await new Promise(() => undefined)
  })
  come('CB:message', 'A', 'B', 'C')
  await hangs
  await vi.advanceTimersByTimeAsync(TWO_MINUTES - 1)
  expect(failures).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(failures).toEqual([new Error('A message or receipt was not handled within 120 s')])
  await turn()
  expect(handled).toEqual(['before A', 'A', 'before B'])
})

test('a stanza that makes the library fail ends the connection at once', async () => {
  const { come, failures } = wire(() => Promise.reject(new Error('Broken')))
  come('CB:message', 'A')
  await eventually(() => expect(failures).toEqual([new Error('Broken')]))
})

test('what the phone itself tells waits until there is room for it, and is not late for that', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const { opened, open } = gate()
  const { come, handled, failures } = wire(
    () => Promise.resolve(),
    () => opened,
  )
  come('CB:message', 'A', 'PEER', 'B')
  await vi.advanceTimersByTimeAsync(2 * TWO_MINUTES)
  expect([handled, failures]).toEqual([['before A', 'A'], []])
  open()
  await turn()
  expect(handled).toEqual(['before A', 'A', 'before PEER', 'PEER', 'before B', 'B'])
})
