import type { BenchDatabase } from './database.ts'

/** What one sample of a case gave, before it is summed up. */
export type Run = {
  readonly operations: number
  readonly seconds: number
  readonly latenciesMs: readonly number[]
}

export type Case = {
  readonly name: string
  /** Callers at the same time. */
  readonly callers: number
  /** Name of the case that it is held against, measured in the same run. */
  readonly ceiling?: string
  /** What it should reach on two cores. */
  readonly aim?: {
    readonly ratio?: number
    readonly perSecond?: number
    readonly p50Ms?: number
    /** Latency above that of the ceiling. */
    readonly overMs?: number
  }
  readonly run: (seconds: number) => Promise<Run>
}

export type Suite = {
  /** What an operation is, and what a latency. */
  readonly unit: string
  /** For people: what is measured against what. */
  readonly about: string
  readonly cases: readonly Case[]
  /** What is to be said beside the figures, once they are there. */
  readonly notes?: () => readonly string[]
  readonly close: () => Promise<void>
}

export type OpenSuite = (
  databases: BenchDatabase,
  onProgress: (text: string) => void,
  size: { readonly events: number },
) => Promise<Suite>
