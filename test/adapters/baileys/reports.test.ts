import { describe, expect, it } from 'vitest'
import { createReports } from '../../../src/adapters/baileys/reports.ts'
import type { ConnectionReport } from '../../../src/domain/instance.ts'
import { eventually } from '../../support/eventually.ts'

const at = '2026-01-01T00:00:00.000Z'
const offline: ConnectionReport = { status: 'offline', at }
const connected: ConnectionReport = { status: 'connected', phoneNumber: '5511912345678', at }

/** A listener that hears each report when it is let to. */
const slowListener = () => {
  const heard: ConnectionReport[] = []
  const calls: { resolve: () => void; reject: (error: Error) => void }[] = []
  const connection = (report: ConnectionReport) =>
    new Promise<void>((resolve, reject) => {
      heard.push(report)
      calls.push({ resolve, reject })
    })
  return { connection, heard, calls }
}

describe('reports of a connection', () => {
  it('are told also if one comes at the very moment when the last was heard', async () => {
    let hear = () => {}
    const isHeard = new Promise<void>((resolve) => {
      hear = resolve
    })
    const heard: ConnectionReport[] = []
    const connection = (report: ConnectionReport) => (heard.push(report), isHeard)
    const report = createReports({ connection }, new AbortController().signal, () => undefined)
    report(offline)
    void isHeard.then(() => report(connected))
    hear()
    await eventually(() => expect(heard).toEqual([offline, connected]))
  })

  it('are made one after the other, and only the last of those that waited', async () => {
    const { connection, heard, calls } = slowListener()
    const report = createReports({ connection }, new AbortController().signal, () => undefined)
    report(offline)
    report({ status: 'disconnected', reason: 'logged_out', at })
    report(connected)
    expect(heard).toEqual([offline])
    calls[0]?.resolve()
    await eventually(() => expect(heard).toEqual([offline, connected]))
    calls[1]?.resolve()
  })

  it('are made again until they are heard, and what failed is told', async () => {
    const { connection, heard, calls } = slowListener()
    const errors: unknown[] = []
    const report = createReports({ connection }, new AbortController().signal, (error) => errors.push(error))
    report(connected)
    calls[0]?.reject(new Error('Nothing can be stored'))
    await eventually(() => expect(heard).toEqual([connected, connected]))
    calls[1]?.resolve()
    expect(errors).toEqual([new Error('Nothing can be stored')])
  })

  it('are not made any more once they are no longer true, or the session is closed', async () => {
    const { connection, heard, calls } = slowListener()
    const closing = new AbortController()
    const report = createReports({ connection }, closing.signal, () => undefined)
    report(offline)
    report(connected)
    calls[0]?.reject(new Error('Nothing can be stored'))
    await eventually(() => expect(heard).toEqual([offline, connected]))
    closing.abort()
    calls[1]?.reject(new Error('Nothing can be stored'))
    report(offline)
    await Promise.resolve()
    expect(heard).toEqual([offline, connected])
  })
})
