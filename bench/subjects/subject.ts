import type { Workload } from '../workloads/workload.js'

export interface Serving {
  /** What `connect` takes: a URL or a port as text. */
  readonly address: string
  /** One-way messages received so far. */
  received?(): number
  close(): Promise<void>
}

export interface Connected {
  /** Makes call number `index` of the workload. A bare promise: what wraps it is paid for in every figure. */
  call(index: number): Promise<unknown>
  /** Throws when the answer of call number `index` is not what was asked for. Looks at the content of some. */
  check(answer: unknown, index: number): void
  /** Sends `count` one-way messages from number `from` on, waiting where there is no room. */
  sendBurst?(from: number, count: number): Promise<void>
  /** Reads one stream of messages for so long. Resolves with how many came. */
  streamFor?(ms: number): Promise<number>
  /** Work beside the calls of a window. Returns how to end it. */
  load?(): () => Promise<void>
  close(): Promise<void>
}

/** One way to carry a workload. Server and client run in processes of their own. */
export interface Subject {
  readonly name: string
  supports(workload: Workload): boolean
  serve(workload: Workload): Promise<Serving>
  connect(address: string, workload: Workload): Promise<Connected>
}

/** Payload number `index`, round and round. */
export function pick<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T
}

/** Content is compared for one answer in this many; comparing all would measure the comparing. */
const CONTENT_CHECK_EVERY = 1_024

export function checkBytes(answer: Uint8Array, expected: Uint8Array, index: number): void {
  if (answer.length !== expected.length)
    throw new Error(`an answer of ${answer.length} bytes instead of ${expected.length}`)
  if (index % CONTENT_CHECK_EVERY === 0 && Buffer.compare(answer, expected) !== 0)
    throw new Error('an answer with other content')
}

/** What an ingest answers: the first 32 bytes of the transaction, in place of its hash. Hashing is nobody's transport. */
export const RECEIPT_BYTES = 32
