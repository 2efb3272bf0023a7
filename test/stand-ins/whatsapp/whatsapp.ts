export type * from './types.ts'
export { startWhatsApp } from './server.ts'
export { trustWhatsApp } from './trust.ts'
