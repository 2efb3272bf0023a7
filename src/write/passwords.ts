import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

const PARAMETERS = { N: 2 ** 15, r: 8, p: 1 }
const KEY_BYTES = 32
const SALT_BYTES = 16
/** scrypt needs 128 * N * r bytes; Node refuses more than this. */
const MEMORY_MAX = 128 * PARAMETERS.N * PARAMETERS.r * 2

const derive = (password: string, salt: Buffer, { N, r, p }: typeof PARAMETERS) =>
  new Promise<Buffer>((resolve, reject) =>
    scrypt(password, salt, KEY_BYTES, { N, r, p, maxmem: MEMORY_MAX }, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  )

/** `scrypt$N$r$p$salt$key`: the prefix lets another method follow some day. */
export const hashPassword = async (password: string): Promise<string> => {
  const salt = randomBytes(SALT_BYTES)
  const key = await derive(password, salt, PARAMETERS)
  const { N, r, p } = PARAMETERS
  return ['scrypt', N, r, p, salt.toString('base64'), key.toString('base64')].join('$')
}

export const verifyPassword = async (password: string, hash: string): Promise<boolean> => {
  const [method, N, r, p, salt = '', key = ''] = hash.split('$')
  if (method !== 'scrypt') return false
  const expected = Buffer.from(key, 'base64')
  const given = await derive(password, Buffer.from(salt, 'base64'), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  })
  return given.length === expected.length && timingSafeEqual(given, expected)
}

let decoy: Promise<string> | undefined
/** Takes as long as a real check, so that the time does not tell whether an account exists. */
export const verifyAgainstNobody = async (password: string): Promise<false> => {
  decoy ??= hashPassword(randomBytes(SALT_BYTES).toString('hex'))
  await verifyPassword(password, await decoy)
  return false
}
