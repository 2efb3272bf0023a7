import { recordLog, type Deployment } from '../../followed-log.ts'
import { importId } from '../../domain/ids.ts'
import type { Recorded } from '../../ports/event-store.ts'
import type { LogReader } from '../../read-log.ts'
import type { Comparison } from '../copy-log/compare.ts'
import { fillLog, refuseUsedDatabase } from '../copy-log/fill.ts'
import type { Output } from '../progress.ts'
import { exportedLog, type Checked, type ExportFile } from './export-file.ts'

type Options = {
  readonly source: ExportFile
  /** What was found out when it was checked. */
  readonly checked: Checked
  readonly target: Deployment
  /** The target in plain (`plainLog`). */
  readonly reading: LogReader
  /** Seals what the target shall hold. */
  readonly seal: (events: readonly Recorded[]) => Promise<readonly Recorded[]>
  readonly output: Output
  readonly interrupted: AbortSignal
  readonly refuseIfInUse: () => Promise<void>
}

/** Fills an empty log from an export that was checked. Reactions go on from its end: nobody is told old news. */
export const importLog = async (options: Options): Promise<Comparison> => {
  const { source, checked, target, reading, seal, output, interrupted, refuseIfInUse } = options
  await refuseUsedDatabase(target)
  return fillLog({
    source: exportedLog(source, checked),
    target,
    reading,
    prepare: seal,
    copy: importId(checked.checksum),
    output,
    interrupted,
    refuseIfInUse,
    finish: async (client, _comparison, first) => {
      await recordLog(client, target.kind, first, await target.store.head())
    },
  })
}
