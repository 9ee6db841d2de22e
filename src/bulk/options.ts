import { availableParallelism } from 'node:os'
import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Transferable } from 'node:worker_threads'
import { failure } from '../base/errors.js'
import { group, type InputOf, integer, optional, type Rule, required, text } from '../base/options.js'

const MAX_CONCURRENCY = 65_536
const MAX_WORKERS = 1_024
const MAX_QUEUED = 1_048_576
const MAX_IDLE_MS = 86_400_000
/** The name of an export. Anything but the empty string. */
const EXPORT_NAME = /./

function refused(reason: 'option-type' | 'option-range', option: string, expected: string): Error {
  return failure(reason, `option ${option} must be ${expected}`, { details: { option } })
}

const signal: Rule<AbortSignal> = {
  parse(value, path) {
    if (value instanceof AbortSignal) return value
    throw refused('option-type', path, 'an AbortSignal')
  },
}

/** The path of a module. Relative ones are refused: relative to what, a thread would answer otherwise than its caller. */
const location: Rule<string, URL | string> = {
  parse(value, path) {
    if (!(value instanceof URL) && typeof value !== 'string') throw refused('option-type', path, 'a URL or a path')
    const named = String(value)
    if (named.startsWith('file:')) return fileURLToPath(named)
    if (value instanceof URL || !isAbsolute(named))
      throw refused('option-range', path, `a file: URL or an absolute path, got ${named}`)
    return named
  },
}

const list: Rule<readonly Transferable[]> = {
  parse(value, path) {
    if (Array.isArray(value)) return value
    throw refused('option-type', path, 'a list')
  },
}

const orderRules = group({
  concurrency: required(integer(1, 1, MAX_CONCURRENCY), 'a whole number'),
  /** Finished results that wait for their turn; at this many, nothing new begins. Default: `concurrency`. */
  maxBuffered: optional(integer(1, 1, MAX_CONCURRENCY)),
  signal: optional(signal),
})

export interface OrderOptions {
  /** Works under way at once. */
  readonly concurrency: number
  /** Finished results that wait for their turn; at this many, nothing new begins. Default: `concurrency`. */
  readonly maxBuffered?: number | undefined
  /** Aborting it ends the whole with CANCELLED. */
  readonly signal?: AbortSignal | undefined
}

export function orderOptions(options: OrderOptions): ReturnType<typeof orderRules.parse> {
  return orderRules.parse(options, '')
}

export const workerPoolRules = group({
  /** The module whose exports the threads run. */
  filename: required(location, 'a URL or a path'),
  /** Threads at most. By default one processor is left to the caller. */
  workers: integer(Math.max(1, availableParallelism() - 1), 1, MAX_WORKERS),
  /**
   * Payloads that wait while every thread has one. What waits only until a thread has ended, after an abort or a crash,
   * is not counted: it has the place of that thread.
   */
  maxQueued: integer(1_024, 0, MAX_QUEUED),
  /** A thread without work for this long is ended. */
  idleTimeoutMs: integer(60_000, 0, MAX_IDLE_MS),
})

export type WorkerPoolOptions = InputOf<typeof workerPoolRules> & { readonly filename: URL | string }

export const runRules = group({
  /** Which export of the module. */
  name: text('default', EXPORT_NAME),
  signal: optional(signal),
  /** Buffers that move to the thread instead of being copied: the caller has them no more. */
  transfer: optional(list),
})

export type RunOptions = InputOf<typeof runRules>

export const mapRules = group({
  /** Payloads under way at once. Default: `workers`. */
  concurrency: optional(integer(1, 1, MAX_CONCURRENCY)),
  maxBuffered: optional(integer(1, 1, MAX_CONCURRENCY)),
  name: text('default', EXPORT_NAME),
  signal: optional(signal),
})

export type MapOptions = InputOf<typeof mapRules>
