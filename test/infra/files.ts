import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import type { Static, TSchema } from 'typebox'
import { expect } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { loadConfig, variables, type Config } from '../../src/config.ts'
import { infrastructureRoutes } from '../../src/http/infrastructure.ts'

const ROOT = join(import.meta.dirname, '../..')
export const textOf = (path: string) => readFile(join(ROOT, path), 'utf8')
export const namesIn = (path: string) => readdir(join(ROOT, path))

const ajv = new Ajv({ allErrors: true })

/** What is parsed, as far as a test looks into it. */
export const shaped = <S extends TSchema>(schema: S, value: unknown): Static<S> => {
  const isShaped = ajv.compile<Static<S>>(schema)
  if (!isShaped(value)) throw new Error(ajv.errorsText(isShaped.errors))
  return value
}

export const yamlIn = async <S extends TSchema>(path: string, schema: S): Promise<Static<S>> =>
  shaped(schema, parse(await textOf(path), { merge: true, prettyErrors: true }))

export const documentsIn = async (path: string): Promise<unknown[]> =>
  parseAllDocuments(await textOf(path), { prettyErrors: true }).map((document) => {
    expect(document.errors, path).toEqual([])
    return document.toJS() as unknown
  })

/** Lines `NAME=value` of a file for `env_file`; those commented out as well, if asked for. */
export const envIn = async (path: string, commented = false): Promise<Record<string, string>> => {
  const line = commented ? /^(?:# )?([A-Z0-9_]+)=(.*)$/gm : /^([A-Z0-9_]+)=(.*)$/gm
  return Object.fromEntries(
    [...(await textOf(path)).matchAll(line)].map(([, name = '', value = '']) => [name, value]),
  )
}

/** Of Node itself, which the program runs on. */
const OF_NODE = ['NODE_ENV', 'NODE_OPTIONS', 'TMPDIR']
const settings = variables().map(({ name }) => name)
const isOneOf = (names: readonly string[]) => (name: string) => names.includes(name)

/** The configuration that an environment gives, once every variable in it is one that the program or Node has. */
export const configOf = (env: Record<string, string>, besides: readonly string[] = []): Config => {
  expect(Object.keys(env).filter((name) => !isOneOf([...settings, ...OF_NODE, ...besides])(name))).toEqual([])
  return loadConfig(env)
}

/** By name and version: the same tomorrow, as far as a tag can promise that. */
export const PINNED = /^[a-z0-9./-]+:\d+\.\d+(\.\d+)?(-[a-z0-9-]+)?$/

/** Paths that answer without a token, whatever is public. */
export const probePaths = infrastructureRoutes(
  { ready: () => Promise.reject(new Error()), metrics: () => Promise.reject(new Error()) },
  [],
)
  .filter(({ access }) => access === 'public')
  .map(({ path }) => path)

/** Requests under way end within this at a stop, and then webhook posts within their time-out; seconds. */
export const DRAIN_SECONDS = 5
