const stream = process.stderr

/** One line that is written over on a terminal; elsewhere nothing. */
export const createProgress = () => {
  const startedAt = performance.now()
  const write = (text: string) => {
    if (stream.isTTY) stream.write(`\r\u001b[K${text}`)
  }
  return {
    show: (text: string) => write(`${Math.round((performance.now() - startedAt) / 1000)} s  ${text}`),
    end: () => write(''),
  }
}
