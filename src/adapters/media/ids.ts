const uuid = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/

/** Throws on anything that could lead elsewhere: ids are ours, so another one is a fault of this program. */
export const mustBeUuid = (id: string) => {
  if (!uuid.test(id)) throw new Error('The id of a file must be a UUID')
}
