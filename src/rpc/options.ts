import { type Clock, systemClock } from '../base/clock.js'
import { failure } from '../base/errors.js'
import {
  flag,
  group,
  type InputOf,
  instance,
  integer,
  type OutputOf,
  optional,
  text,
  unknownOption,
  wrongArgument,
} from '../base/options.js'
import { type Random, systemRandom } from '../base/random.js'
import { PEER_ID } from '../connection/environment.js'
import { dialRules, listenRules } from '../connection/options.js'
import { LANE, type Priority } from '../mailbox/lane.js'
import { poolRules } from '../pool/options.js'
import type { OuterCall } from './abort.js'
import { overloadRules } from './load-shedding.js'
import type { Metadata } from './metadata.js'
import { retryRules } from './retry-budget.js'
import type { ServerCall } from './server-call.js'
import { throttleRules } from './throttle.js'

/** The lane of a priority; without one, `normal`. For every call: compared one by one, which is cheaper than a look-up. */
export function laneOf(priority: Priority | undefined): number {
  switch (priority) {
    case undefined:
    case 'normal':
      return LANE.normal
    case 'high':
      return LANE.high
    case 'low':
      return LANE.low
    case 'bulk':
      return LANE.bulk
    default:
      throw failure(
        'option-range',
        `option priority must be one of ${Object.keys(LANE).join(', ')}, got ${String(priority)}`,
        { details: { option: 'priority' } },
      )
  }
}

export interface CallOptions {
  /** How long the caller waits. The handler is told what is left of it. Default: the client's `timeoutMs`. */
  readonly timeoutMs?: number
  /** Aborting it cancels the call, here and at the handler. */
  readonly signal?: AbortSignal
  readonly priority?: Priority
  readonly metadata?: Metadata
  /** Running it twice does no harm: as in `unary({ idempotent: true })`, for this call. */
  readonly idempotent?: boolean
  /**
   * The call that this one is made for: it gets no more time than that has left, and is cancelled with it. Where a server
   * has `passDeadlines`, calls made by its handlers have theirs; `null` sets them free.
   */
  readonly parent?: ServerCall | null
}

/** `accepted`: the message is in the queue of the receiver. `processed`: its handler has resolved. */
export type Ack = 'accepted' | 'processed'

const ACKS: readonly string[] = ['accepted', 'processed'] satisfies readonly Ack[]

export interface SendOptions {
  readonly priority?: Priority
  readonly metadata?: Metadata
  /** What the promise waits for. Without it: that our bounded queue has the message. */
  readonly ack?: Ack
  /**
   * With `ack`: sent again on another connection where this one is lost and nobody knows whether the message was
   * received. The receiver may so get it twice, with the same `message-id` in its metadata.
   */
  readonly resend?: boolean
  /** With `ack`: how long the promise waits. Default: the client's `timeoutMs`. */
  readonly timeoutMs?: number
  /** With `ack`: aborting it ends the wait, and takes the message back where it has not left. */
  readonly signal?: AbortSignal
}

/** The acknowledgement that is asked for, or null. Throws for options that make no sense without one. */
export function ackOf(options: SendOptions): Ack | null {
  checkOptions(options, true)
  const { ack } = options
  if (ack !== undefined) {
    if (ACKS.includes(ack)) return ack
    throw failure('option-range', `option ack must be one of ${ACKS.join(', ')}, got ${String(ack)}`, {
      details: { option: 'ack' },
    })
  }
  if (options === NO_OPTIONS) return null
  for (const option of ['resend', 'timeoutMs', 'signal'] as const) {
    if (options[option] === undefined) continue
    throw failure('option-range', `option ${option} needs the option ack`, { details: { option } })
  }
  return null
}

/** Longer deadlines are cut to a day: the timers of no machine are good for more. */
export const MAX_TIMEOUT_MS = 24 * 60 * 60 * 1000

/** One object for all calls without options: whether it is this one is the cheapest question about options. */
export const NO_OPTIONS: CallOptions = Object.freeze({})

type OptionName = keyof CallOptions | keyof SendOptions

const OPTION_NAMES = Object.keys({
  timeoutMs: null,
  signal: null,
  priority: null,
  metadata: null,
  idempotent: null,
  parent: null,
  ack: null,
  resend: null,
} satisfies Record<OptionName, null>)

/** Whether calls and streams, or messages, have an option of this name. Compared one by one, as in `laneOf`. */
function hasOption(name: string, ofMessage: boolean): boolean {
  switch (name as OptionName) {
    case 'timeoutMs':
    case 'signal':
    case 'priority':
    case 'metadata':
      return true
    case 'idempotent':
    case 'parent':
      return !ofMessage
    case 'ack':
    case 'resend':
      return ofMessage
    default:
      return false
  }
}

/**
 * Throws `option-type` and `option-unknown` for what callers that are not typed may pass. A plain loop, which allocates
 * nothing; and no options are remembered, which may hold signals and calls.
 */
export function checkOptions(options: CallOptions | SendOptions, ofMessage = false): void {
  if (options === NO_OPTIONS) return
  if (typeof options !== 'object' || options === null) throw wrongArgument('options', 'an object', options)
  for (const name in options) {
    if (hasOption(name, ofMessage) || !Object.hasOwn(options, name)) continue
    const known = OPTION_NAMES.filter((one) => hasOption(one, ofMessage))
    throw unknownOption('', name, known)
  }
}

/** A timeout as it may be used: at least 1 ms, at most a day. */
export function checkTimeout(timeoutMs: number): number {
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0)) {
    throw failure(
      typeof timeoutMs === 'number' ? 'option-range' : 'option-type',
      `option timeoutMs must be a number over 0, got ${String(timeoutMs)}`,
      {
        details: { option: 'timeoutMs' },
      },
    )
  }
  return Math.min(Math.ceil(timeoutMs), MAX_TIMEOUT_MS)
}

/**
 * The time of a call that is made for another: what that one has left, if it is less. Under 1 ms there is none. Throws
 * `option-type` for what is no call.
 */
export function timeoutWithin(timeoutMs: number, outer: OuterCall | null): number {
  if (outer === null) return timeoutMs
  if (typeof outer === 'object' && typeof outer.remainingMs === 'number') {
    return Math.min(timeoutMs, Math.floor(outer.remainingMs))
  }
  throw failure('option-type', 'option parent must be the call that a handler was given, or null', {
    details: { option: 'parent' },
  })
}

/** Throws `option-type` for what cannot be listened to. */
export function checkSignal(signal: AbortSignal): void {
  if (typeof signal === 'object' && signal !== null && typeof signal.addEventListener === 'function') return
  throw failure('option-type', 'option signal must be an AbortSignal', { details: { option: 'signal' } })
}

/** The addresses of a client, as a list. Throws `option-type` for what is none; its items are for the directory. */
export function addressList(addresses: string | readonly string[]): readonly string[] {
  if (typeof addresses === 'string') return [addresses]
  if (Array.isArray(addresses)) return addresses
  throw wrongArgument('the address of a client', 'a string or a list of strings', addresses)
}

const shared = {
  /** Who we are to our peers. Where it is not given: the first name of `tls.cert`, or a random one. */
  id: optional(text('', PEER_ID)),
  /** For tests and simulations: where time and chance come from. */
  clock: instance<Clock>(systemClock),
  random: instance<Random>(systemRandom),
}

export const serverRules = group({
  ...shared,
  ...listenRules,
  /** What happens when calls come faster than they are handled. */
  overload: overloadRules,
  /** What handlers call ends with the call they serve. Off, because it costs every promise of the process a little. */
  passDeadlines: flag(false),
})

export const clientRules = group({
  ...shared,
  ...dialRules,
  pool: poolRules,
  /** Calls that failed and may be made again. Their requests must not be changed before they have an outcome. */
  retry: retryRules,
  /** Calls that a server with too much to do would only refuse. */
  throttle: throttleRules,
  /** The deadline of calls that name none. */
  timeoutMs: integer(30_000, 1, MAX_TIMEOUT_MS),
})

export type ServerOptions = InputOf<typeof serverRules>
export type ClientOptions = InputOf<typeof clientRules>
export type ParsedClientOptions = OutputOf<typeof clientRules>

export interface CloseOptions {
  /** How long open calls may go on before they are cut. */
  readonly graceMs?: number
}

export const closeRules = group({ graceMs: integer(10_000, 0, MAX_TIMEOUT_MS) })
