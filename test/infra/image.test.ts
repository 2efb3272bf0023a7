import { dirname, join } from 'node:path'
import { Type } from 'typebox'
import { describe, expect, it } from 'vitest'
import { configOf, namesIn, PINNED, probePaths, shaped, textOf } from './files.ts'

type Instruction = { readonly name: string; readonly text: string }

/** Instructions with their continued lines, by stage. */
const stagesOf = (dockerfile: string): Instruction[][] => {
  const lines = dockerfile
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const stages: Instruction[][] = []
  for (const line of lines) {
    const [, name = '', text = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (name === 'FROM') stages.push([])
    stages.at(-1)?.push({ name, text })
  }
  return stages
}

const stages = stagesOf(await textOf('infra/Dockerfile'))
const [build = [], dependencies = [], final = []] = stages
const of = (stage: readonly Instruction[], name: string) =>
  stage.filter((instruction) => instruction.name === name).map(({ text }) => text)

/** Files and folders that a stage takes from the repository. */
const copiedFromHere = (stage: readonly Instruction[]) =>
  of(stage, 'COPY')
    .filter((text) => !text.startsWith('--from'))
    .flatMap((text) => text.split(/\s+/).slice(0, -1))
    .map((path) => path.replace(/^\.\//, ''))

const manifest = shaped(
  Type.Object({
    version: Type.String(),
    bin: Type.Object({ zapini: Type.String() }),
    scripts: Type.Object({ build: Type.String() }),
  }),
  JSON.parse(await textOf('package.json')),
)

const TypescriptConfig = Type.Object({
  extends: Type.Optional(Type.String()),
  include: Type.Optional(Type.Array(Type.String())),
  compilerOptions: Type.Object({ outDir: Type.Optional(Type.String()) }),
})

describe('the image', () => {
  it('is made on one base, by name and version', () => {
    expect(stages).toHaveLength(3)
    const bases = stages.flatMap((stage) => of(stage, 'FROM')).map((text) => text.split(' ')[0] ?? '')
    expect(new Set(bases).size).toBe(1)
    expect(bases[0]).toMatch(PINNED)
  })

  it('is built from every file that the build needs', async () => {
    const needed = ['package.json', 'package-lock.json', '.npmrc']
    for (let file = / -p (\S+)/.exec(manifest.scripts.build)?.[1]; file !== undefined;) {
      needed.push(file)
      const config = shaped(TypescriptConfig, JSON.parse(await textOf(file)))
      if (needed.length === 4) needed.push(...(config.include ?? []))
      file = config.extends && join(dirname(file), config.extends)
    }
    expect(needed).toContain('src')
    expect(copiedFromHere(build).toSorted()).toEqual(needed.toSorted())
    expect(of(build, 'RUN').some((text) => text.startsWith('npm run build'))).toBe(true)
  })

  it('installs by the lock file, runs no scripts of packages, and ends up without what is for development', () => {
    for (const stage of [build, dependencies]) {
      const [install = ''] = of(stage, 'RUN')
      expect(install).toMatch(/^npm ci .*--ignore-scripts/)
      expect(copiedFromHere(stage)).toEqual(expect.arrayContaining(['package-lock.json']))
    }
    expect(of(dependencies, 'RUN')[0]).toContain('--omit=dev --omit=optional')
    const taken = of(final, 'COPY').filter((text) => text.startsWith('--from'))
    expect(taken).toEqual([
      '--from=dependencies /app/node_modules ./node_modules',
      '--from=build /app/dist ./dist',
    ])
  })

  it('holds what the program reads, and starts it', async () => {
    expect(copiedFromHere(final)).toContain('package.json')
    expect(of(final, 'WORKDIR')).toEqual(['/app'])
    const config = shaped(TypescriptConfig, JSON.parse(await textOf('tsconfig.build.json')))
    expect(dirname(manifest.bin.zapini)).toBe(config.compilerOptions.outDir)
    expect(JSON.parse(of(final, 'ENTRYPOINT')[0] ?? '')).toEqual(['node', `/app/${manifest.bin.zapini}`])
    expect(of(final, 'ARG')).toContain(`VERSION=${manifest.version}`)
  })

  it('runs as an account that is not root, by number, and writes to its volume only', () => {
    const user = of(final, 'USER')
    expect(user).toHaveLength(1)
    expect(user[0]).toMatch(/^[1-9]\d*:[1-9]\d*$/)
    const order = final.map(({ name }) => name)
    expect(order.lastIndexOf('USER')).toBeGreaterThan(
      Math.max(order.lastIndexOf('RUN'), order.lastIndexOf('COPY')),
    )

    const env = Object.fromEntries(
      of(final, 'ENV').flatMap((text) =>
        text.split(' ').map((pair): [string, string] => {
          const [name = '', value = ''] = pair.split('=')
          return [name, value]
        }),
      ),
    )
    const { settings, secrets } = configOf(env)
    expect(of(final, 'VOLUME')).toEqual([settings.dataDir])
    expect(of(final, 'EXPOSE')).toEqual([String(settings.port)])
    expect(settings.host).toBe('0.0.0.0')
    expect(secrets).toEqual({})
  })

  it('says that it is well by a path that there is', () => {
    const [text = ''] = of(final, 'HEALTHCHECK')
    const path = /PORT\}(\/\w+)`/.exec(text)?.[1]
    expect(path).toBe('/health')
    expect(probePaths).toContain(path)
  })

  it('is made of nothing that the ignore file keeps out', async () => {
    const lines = (await textOf('.dockerignore'))
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(lines[0]).toBe('*')
    const allowed = lines.slice(1).map((line) => line.replace(/^!/, ''))
    expect(new Set(stages.flatMap(copiedFromHere))).toEqual(new Set(allowed))
    const there = await namesIn('.')
    expect(allowed.filter((name) => !there.includes(name))).toEqual([])
  })
})
