import type { FileHandle } from 'node:fs/promises'

const CHUNK_BYTES = 1_048_576
/** Far beyond what an event store takes. */
const LINE_BYTES_MAX = 67_108_864
const NEWLINE = 0x0a

type Lines = {
  readonly lines: readonly string[]
  /** Where in the file they end. */
  readonly bytes: number
}

/**
 * The lines of a file from its beginning, as many at a time as are read at once. Only a newline ends a line: text in
 * JSON may hold everything else that some take for one. A line that never ends is given as far as it has come.
 */
export async function* linesOf(file: FileHandle): AsyncGenerator<Lines> {
  let rest: Buffer[] = []
  let restBytes = 0
  let bytes = 0
  while (restBytes <= LINE_BYTES_MAX) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, bytes)
    if (bytesRead === 0) break
    bytes += bytesRead
    const chunk = buffer.subarray(0, bytesRead)
    const end = chunk.lastIndexOf(NEWLINE)
    if (end >= 0) {
      const whole = Buffer.concat([...rest, chunk.subarray(0, end)])
      yield { lines: whole.toString().split('\n'), bytes }
      rest = []
      restBytes = 0
    }
    rest.push(chunk.subarray(end + 1))
    restBytes += bytesRead - end - 1
  }
  if (restBytes > 0) yield { lines: [Buffer.concat(rest).toString()], bytes }
}
