import { openAppend } from './append.ts'
import { openChain } from './chain.ts'
import { openInbound } from './inbound.ts'
import { openLists } from './lists.ts'
import { openRebuild } from './rebuild.ts'
import { openReplay } from './replay.ts'
import { openSealing } from './sealing.ts'
import { openSend } from './send.ts'
import type { OpenSuite } from './suite.ts'

export const suites = {
  append: openAppend,
  rebuild: openRebuild,
  sealing: openSealing,
  chain: openChain,
  inbound: openInbound,
  send: openSend,
  lists: openLists,
  replay: openReplay,
} satisfies Record<string, OpenSuite>
export type SuiteName = keyof typeof suites
export const suiteNames = Object.keys(suites) as SuiteName[]
/** One that takes as long as all others is run by its name only. */
export const usualSuites = suiteNames.filter((name) => name !== 'replay')
