import { parseArgs } from 'node:util'
import { version } from '../../version.ts'
import { visit, WrongUsage, type Command } from '../command.ts'
import { findConversation, findTenant } from '../find.ts'
import { plainLog } from '../plain-log.ts'
import { createWriter, type Write } from '../write.ts'
import { exportLog } from './export.ts'
import type { Scope } from './format.ts'
import { writeFile } from './output.ts'

export const exportCommand: Command = {
  synopsis: '[--tenant ID | --conversation ID] [--out FILE]',
  summary: `writes the log, or one tenant or conversation of it, as lines of JSON with checksums,
to FILE or to standard output: in plain, with everything personal and every secret
in it. The server may run meanwhile.`,
  run: async (given) => {
    const { args, screen } = given
    const { values } = parseArgs({
      args: [...args],
      options: {
        tenant: { type: 'string' },
        conversation: { type: 'string' },
        out: { type: 'string' },
      },
    })
    const { tenant, conversation, out } = values
    if (out === '') throw new WrongUsage('--out names no file.')
    await visit(given, async ({ store, stored }, interrupted) => {
      const tenantId = tenant === undefined ? undefined : await findTenant(store, tenant)
      const scope: Scope =
        conversation !== undefined
          ? { kind: 'conversation', id: await findConversation(store, conversation, tenantId) }
          : tenantId !== undefined
            ? { kind: 'tenant', id: tenantId }
            : { kind: 'log' }
      const zapini = await version()
      const write = (to: Write) =>
        exportLog({
          log: plainLog(store, stored),
          scope,
          zapini,
          write: to,
          output: screen.progress,
          interrupted,
        })
      const { events } = await (out === undefined ? write(createWriter(screen.out)) : writeFile(out, write))
      screen.progress.write(`${events} events written, with everything personal in plain: keep them safe.\n`)
    })
    return 0
  },
}
