import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startProgress } from '../../src/cli/progress.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

/** What is drawn on a terminal so wide while a job goes from its start to its end. */
const drawn = (columns: number | undefined) => {
  const texts: string[] = []
  const output = {
    isTTY: true,
    ...(columns !== undefined && { columns }),
    write: (text: string) => texts.push(text),
  }
  const { show, stage, end } = startProgress(output, 'replaying')
  for (let n = 0; n <= 1000; n++) {
    vi.advanceTimersByTime(150)
    show(BigInt(n), 1000n, n * 5000)
  }
  stage('waiting until nobody reads the old tables')
  end(5_000_000)
  return texts.slice(0, -1).map((text) => text.replace('\r\u001b[K', ''))
}

test.each([20, 40, 60, 80, 200, undefined, 0])('a bar never leaves its line, in %s columns', (columns) => {
  const lines = drawn(columns)
  expect(lines.length).toBeGreaterThan(100)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(columns ? columns : 80)
  expect(lines[500]).toContain('50 %')
})
