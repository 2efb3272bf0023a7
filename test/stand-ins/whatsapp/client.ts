import type { Commands } from './commands.ts'

/** What comes out of JSON: null for nothing. */
type Answer<T> = Awaited<T> extends void | undefined ? null : Awaited<T>
export type ControlClient = {
  readonly [C in keyof Commands]: (
    ...input: Parameters<Commands[C]>
  ) => Promise<Answer<ReturnType<Commands[C]>>>
}

/** The commands of a stand-in that runs as a process of its own. */
export const controlWhatsApp = (url: string): ControlClient => {
  const call = async (command: string, input: unknown = {}) => {
    const response = await fetch(`${url}/${command}`, { method: 'POST', body: JSON.stringify(input) })
    const body: unknown = await response.json()
    if (response.ok) return body
    throw new Error(`${command}: ${(body as { error: string }).error}`)
  }
  return new Proxy({} as ControlClient, {
    get: (_, command: string) => (input: unknown) => call(command, input),
  })
}
