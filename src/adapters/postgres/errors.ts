const connectionCodes = /^(08|57P0|53|ECONN|EPIPE|ENOENT|ETIMEDOUT)/
const connectionWords =
  /connection terminated|timeout exceeded when trying to connect|client has encountered/i
const dataCodes = /^2[23]/

export const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The SQLSTATE of a database error, the code of a system error, or an empty text. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

/** For `catch`: makes nothing of an error that has one of the codes, and throws any other. */
export const unless =
  (...codes: string[]) =>
  (error: unknown): undefined => {
    if (!codes.includes(codeOf(error))) throw error
  }

/** Whether the database was out of reach, as opposed to having refused a statement. Such a call may be tried again. */
export const isConnectionError = (error: unknown): boolean =>
  connectionCodes.test(codeOf(error)) || (error instanceof Error && connectionWords.test(error.message))

/** Whether the database found fault with the data itself, so that the same statement fails again. */
export const isDataError = (error: unknown): boolean => dataCodes.test(codeOf(error))
