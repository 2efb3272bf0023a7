/** Kafka's encoding of values, as far as requests without tagged fields need it: big-endian, length first, -1 for null. */
export const createReader = (bytes: Buffer) => {
  let at = 0
  const take = (size: number) => {
    at += size
    return at - size
  }
  const int16 = () => bytes.readInt16BE(take(2))
  const int32 = () => bytes.readInt32BE(take(4))
  const text = (size: number) => (size < 0 ? undefined : bytes.toString('utf8', take(size), at))
  const items = <T>(count: number, item: () => T) =>
    count < 0 ? undefined : Array.from({ length: count }, item)
  return {
    int8: () => bytes.readInt8(take(1)),
    int16,
    int32,
    int64: () => bytes.readBigInt64BE(take(8)),
    nullableString: () => text(int16()),
    string: () => text(int16()) ?? '',
    bytes: () => {
      const size = int32()
      return size < 0 ? Buffer.alloc(0) : bytes.subarray(take(size), at)
    },
    nullableArray: <T>(item: () => T) => items(int32(), item),
    array: <T>(item: () => T) => items(int32(), item) ?? [],
  }
}
export type Reader = ReturnType<typeof createReader>

const number = (size: number, write: (bytes: Buffer) => void) => {
  const bytes = Buffer.alloc(size)
  write(bytes)
  return bytes
}
export const int8 = (value: number) => number(1, (bytes) => bytes.writeInt8(value))
export const bool = (value: boolean) => int8(value ? 1 : 0)
export const int16 = (value: number) => number(2, (bytes) => bytes.writeInt16BE(value))
export const int32 = (value: number) => number(4, (bytes) => bytes.writeInt32BE(value))
export const int64 = (value: bigint) => number(8, (bytes) => bytes.writeBigInt64BE(value))
export const string = (value: string | undefined) =>
  value === undefined ? int16(-1) : Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)])
export const bytes = (value: Buffer) => Buffer.concat([int32(value.length), value])
export const array = <T>(values: readonly T[], encode: (value: T) => Buffer) =>
  Buffer.concat([int32(values.length), ...values.map(encode)])
export const all = (...parts: readonly Buffer[]) => Buffer.concat(parts)

/** The error codes that are answered here. */
export const ErrorCode = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  MESSAGE_TOO_LARGE: 10,
  ILLEGAL_GENERATION: 22,
  UNKNOWN_MEMBER_ID: 25,
  REBALANCE_IN_PROGRESS: 27,
  TOPIC_AUTHORIZATION_FAILED: 29,
  UNSUPPORTED_VERSION: 35,
  TOPIC_ALREADY_EXISTS: 36,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  INVALID_PRODUCER_EPOCH: 47,
  SASL_AUTHENTICATION_FAILED: 58,
} as const
