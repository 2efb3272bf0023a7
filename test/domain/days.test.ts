import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addDays,
  dateAt,
  datesBetween,
  daysBetween,
  firstOfMonth,
  mondayOf,
  secondsToMidnight,
  SLOT_MS,
  startOfDay,
} from '../../src/domain/days.ts'

const HOUR_MS = 60 * 60 * 1000
const start = (date: string, zone: string) => new Date(startOfDay(date, zone)).toISOString()
const hoursOf = (date: string, zone: string) =>
  (startOfDay(addDays(date, 1), zone) - startOfDay(date, zone)) / HOUR_MS

describe('a day of a time zone', () => {
  test.each([
    ['2025-01-15', 'UTC', '2025-01-15T00:00:00.000Z'],
    ['2025-01-15', 'America/Sao_Paulo', '2025-01-15T03:00:00.000Z'],
    ['2025-01-15', 'Asia/Kathmandu', '2025-01-14T18:15:00.000Z'],
    ['2025-01-15', 'Pacific/Kiritimati', '2025-01-14T10:00:00.000Z'],
    ['2025-01-15', 'Etc/GMT+12', '2025-01-15T12:00:00.000Z'],
    // The clocks skip midnight.
    ['2018-11-04', 'America/Sao_Paulo', '2018-11-04T03:00:00.000Z'],
    // Midnight comes twice: the day begins with the first.
    ['2024-11-03', 'America/Havana', '2024-11-03T04:00:00.000Z'],
    // A date that was skipped begins with the next one.
    ['2011-12-30', 'Pacific/Apia', '2011-12-30T10:00:00.000Z'],
    ['2011-12-31', 'Pacific/Apia', '2011-12-30T10:00:00.000Z'],
  ])('%s in %s begins at %s', (date, zone, expected) => expect(start(date, zone)).toBe(expected))

  test.each([
    ['2025-03-08', 24],
    ['2025-03-09', 23],
    ['2025-11-01', 24],
    ['2025-11-02', 25],
  ])('%s in New York has %i hours', (date, hours) => expect(hoursOf(date, 'America/New_York')).toBe(hours))

  test('ends in as many seconds as there are left of it', () => {
    const secondsAt = (at: string, zone: string) => secondsToMidnight(Date.parse(at), zone)
    expect(secondsAt('2025-01-15T23:59:59.999Z', 'UTC')).toBe(1)
    expect(secondsAt('2025-01-15T00:00:00.000Z', 'UTC')).toBe(86_400)
    expect(secondsAt('2025-03-09T05:00:00.000Z', 'America/New_York')).toBe(23 * 3600)
    expect(secondsAt('2025-11-02T04:00:00.000Z', 'America/New_York')).toBe(25 * 3600)
  })

  const zone = fc.constantFrom(
    'UTC',
    'America/New_York',
    'America/Sao_Paulo',
    'America/Havana',
    'Australia/Lord_Howe',
    'Asia/Kathmandu',
    'Africa/Cairo',
    'Asia/Beirut',
    'Pacific/Kiritimati',
    'Etc/GMT+12',
  )
  const time = fc.integer({ min: Date.parse('2015-01-01'), max: Date.parse('2035-01-01') })
  test('holds every moment in exactly one day, begins on a slot, and is 23 to 25 hours long', () =>
    fc.assert(
      fc.property(time, zone, (at, zone) => {
        const date = dateAt(at, zone)
        const [begin, end] = [startOfDay(date, zone), startOfDay(addDays(date, 1), zone)]
        expect(begin).toBeLessThanOrEqual(at)
        expect(end).toBeGreaterThan(at)
        expect(begin % SLOT_MS).toBe(0)
        expect(dateAt(begin, zone)).toBe(date)
        expect(dateAt(begin - 1, zone)).toBe(addDays(date, -1))
        expect(hoursOf(date, zone)).toBeGreaterThanOrEqual(23)
        expect(hoursOf(date, zone)).toBeLessThanOrEqual(25)
        expect(secondsToMidnight(at, zone)).toBe(Math.max(1, Math.ceil((end - at) / 1000)))
      }),
      { numRuns: 300 },
    ))
})

describe('dates', () => {
  test('are counted across months, years and leap days', () => {
    expect(addDays('2024-02-28', 2)).toBe('2024-03-01')
    expect(addDays('2025-01-01', -1)).toBe('2024-12-31')
    expect(daysBetween('2024-01-01', '2025-01-01')).toBe(366)
    expect(datesBetween('2025-02-27', '2025-03-01')).toEqual(['2025-02-27', '2025-02-28', '2025-03-01'])
    expect(datesBetween('2025-02-27', '2025-02-27')).toEqual(['2025-02-27'])
  })
  test.each([
    ['2025-01-13', '2025-01-13'],
    ['2025-01-19', '2025-01-13'],
    ['2025-01-01', '2024-12-30'],
  ])('the week of %s begins on Monday, %s', (date, monday) => expect(mondayOf(date)).toBe(monday))
  test('a month begins on its first', () => expect(firstOfMonth('2025-01-19')).toBe('2025-01-01'))
})
