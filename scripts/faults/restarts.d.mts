import type { CallsResult } from './calls.mjs'

export declare function restarts(options: {
  readonly count: number
  readonly seed: number
  readonly signal?: 'SIGTERM' | 'SIGKILL'
  readonly concurrency?: number
}): Promise<CallsResult & { readonly lost: number; readonly restarts: number }>
