export const numberedKinds = [
  'tenant',
  'user',
  'token',
  'instance',
  'conversation',
  'message',
  'contact',
  'automation',
] as const
export type NumberedKind = (typeof numberedKinds)[number]

/** Hands out the small whole numbers that people see as ids. Each is given once and rises; gaps are normal. */
export type Numbers = (kind: NumberedKind) => Promise<number>
