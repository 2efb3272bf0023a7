const connectionCodes = /^(08|57P0|53|ECONN|EPIPE|ENOENT|ETIMEDOUT)/
const connectionWords =
  /connection terminated|timeout exceeded when trying to connect|client has encountered/i

/** Whether the database was out of reach, as opposed to having refused a statement. Such a call may be tried again. */
export const isConnectionError = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return connectionCodes.test(code) || connectionWords.test(error.message)
}

/** Whether the database found fault with the data itself, so that the same statement fails again. */
export const isDataError = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && /^2[23]/.test(error.code)
