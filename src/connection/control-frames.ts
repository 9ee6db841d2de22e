import { type Processed, processed, type StatusCode, type TransportError } from '../base/errors.js'
import { STATUS } from '../base/status.js'
import { encodeFault, type Fault } from '../wire/fault.js'
import { KIND } from '../wire/frame.js'
import type { WriteLoop } from './write-loop.js'

/** Tells the peer which number stands for a method from here on. */
export function sendMethod(writes: WriteLoop, number: number, name: string): void {
  writes.control(KIND.METHOD, 0, number, 0, Buffer.from(name, 'latin1'))
}

/** Tells the peer that nobody waits for a call any more. */
export function sendCancel(writes: WriteLoop, id: number, code: StatusCode): void {
  writes.control(KIND.CANCEL, 0, STATUS[code].number, id)
}

/** Ends a call of the peer with an error. */
export function sendError(writes: WriteLoop, id: number, error: TransportError): void {
  writes.control(KIND.ERROR, 0, error.statusNumber, id, encodeFault(faultOf(error)))
}

/** Tells the peer of messages of its: that they are accepted, or processed. */
export function sendAck(writes: WriteLoop, stage: number, ranges: Buffer): void {
  writes.control(KIND.ACK, 0, stage, 0, ranges)
}

/** Tells the peer that a message of its was refused, or that its handler failed. */
export function sendNack(writes: WriteLoop, id: number, error: TransportError): void {
  writes.control(KIND.NACK, 0, error.statusNumber, id, encodeFault(faultOf(error)))
}

/** What many calls are refused with: the bytes are made once. */
export interface EncodedRefusal {
  readonly status: number
  readonly fault: Buffer
}

export function refusalOf(error: TransportError): EncodedRefusal {
  return { status: error.statusNumber, fault: encodeFault(faultOf(processed(error, 'no'))) }
}

/** Ends a call of the peer whose handler never ran. Costs a tenth of an error of its own. */
export function sendRefusal(writes: WriteLoop, id: number, { status, fault }: EncodedRefusal): void {
  writes.control(KIND.ERROR, 0, status, id, fault)
}

/** Ends a stream of the peer whose handler never ran. */
export function sendStreamRefusal(writes: WriteLoop, id: number, error: TransportError): void {
  const fault = encodeFault(faultOf(processed(error, 'no')))
  writes.control(KIND.STREAM_END, 0, error.statusNumber, id, fault)
}

/** Tells the peer to begin nothing new; what it began with an id up to `lastAcceptedId` still gets its answer. */
export function sendLeaving(writes: WriteLoop, lastAcceptedId: number): void {
  const why = { processed: 'no', retryAfterMs: 0, reason: 'closed', message: 'the peer is closing' } as const
  writes.control(KIND.GO_AWAY, 0, 0, lastAcceptedId, encodeFault(why))
}

/** Tells the peer which rule it broke, and whether anything of what it sent may have run. Nothing follows. */
export function sendBroken(writes: WriteLoop, error: TransportError, ran: Processed): void {
  const fault = { processed: ran, retryAfterMs: 0, reason: error.reason ?? '', message: error.message } as const
  writes.control(KIND.GO_AWAY, 0, error.statusNumber, 0, encodeFault(fault))
}

/** What the peer is told of an error. */
export function faultOf({ processed, reason, message, details }: TransportError): Fault {
  return { processed, retryAfterMs: u32(details['retryAfterMs']), reason: reason ?? '', message }
}

const MAX_U32 = 0xffff_ffff

function u32(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.min(Math.ceil(value), MAX_U32) : 0
}
