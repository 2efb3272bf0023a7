import type { SignalDataSet, SignalDataTypeMap, SignalKeyStore } from '@whiskeysockets/baileys'

/** Signal keys that are gone with the process. */
export const keysInMemory = (): SignalKeyStore => {
  const rows: { [T in keyof SignalDataTypeMap]?: Map<string, SignalDataTypeMap[T]> } = {}
  const put = <T extends keyof SignalDataTypeMap>(type: T, data: NonNullable<SignalDataSet[T]>) => {
    const kept: Map<string, SignalDataTypeMap[T]> = rows[type] ?? new Map<string, SignalDataTypeMap[T]>()
    rows[type] = kept as (typeof rows)[T]
    for (const [id, value] of Object.entries(data))
      if (value === null) kept.delete(id)
      else kept.set(id, value)
  }
  return {
    get: async (type, ids) => {
      const found: { [id: string]: SignalDataTypeMap[typeof type] } = {}
      for (const id of ids) {
        const value = rows[type]?.get(id)
        if (value !== undefined) found[id] = value
      }
      return found
    },
    set: async (data) => {
      for (const type of Object.keys(data) as (keyof SignalDataSet)[]) {
        const values = data[type]
        if (values) put(type, values)
      }
    },
  }
}
