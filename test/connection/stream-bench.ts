import { expect } from 'vitest'
import type { TransportError } from '../../src/base/errors.js'
import type { Encoder } from '../../src/connection/encoder.js'
import type { InboundMessage } from '../../src/connection/inbound.js'
import type { Stream, StreamSink } from '../../src/connection/stream.js'
import type { Opening, Streams } from '../../src/connection/streams.js'
import { encodeFault } from '../../src/wire/fault.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import { type Frame, frame, u32 } from '../fixtures/raw-peer.js'
import { type Options, Talk } from './bench.js'

export const NORMAL = 1
const FLAGS = NORMAL << FLAG.LANE_SHIFT

/** Puts the bytes of a string, or as they are. */
export const raw: Encoder = {
  encode: (value, out) => out.put(Buffer.isBuffer(value) ? value : Buffer.from(String(value))),
}

/** A sink that notes what it hears. */
export class Noting implements StreamSink {
  hungry = true
  readonly heard: string[] = []
  readonly costs: number[] = []
  error: TransportError | null = null

  onData({ bytes, start, end, cost }: InboundMessage): void {
    this.costs.push(cost)
    this.heard.push(end - start > 20 ? `data of ${end - start}` : `data ${bytes.toString('latin1', start, end)}`)
  }

  onEnd(): void {
    this.heard.push('end')
  }

  onOver(error: TransportError | null): void {
    this.error = error
    this.heard.push(error === null ? 'over' : `over: ${error.reason}, ${error.processed}`)
  }

  onRoom(refusal: Error | null): void {
    this.heard.push(refusal === null ? 'room' : `not sent: ${refusal.message}`)
  }
}

/** A connection to a peer that takes streams. */
export function talking(dialled = true, options: Options = {}, streamWindowBytes = 1_024, parts = true): Talk {
  const features = FEATURE.FLOW | (parts ? FEATURE.PARTS : 0)
  const flow = { maxStreams: 256, streamWindowBytes, laneWindowBytes: 65_536 }
  const compression = { algorithm: 'none' } as const
  return Talk.ready({ compression, ...options }, { features, flow }, 5_000, dialled)
}

export function streamsOf({ connection }: Talk): Streams {
  const { streams } = connection
  if (streams === null) throw new Error('the peer takes no streams')
  return streams
}

/** Opens a stream of ours. */
export function open(talk: Talk, sink: StreamSink, opening: Partial<Opening> = {}): Stream {
  const rest = { metadata: null, timeoutMs: Number.POSITIVE_INFINITY, request: null }
  return streamsOf(talk).open({ method: 7, flags: FLAGS, lane: NORMAL, ...rest, ...opening }, sink)
}

/** Serves every stream that the peer opens, with one sink for all, and gives what was served. */
export function serving(talk: Talk, sink: StreamSink): Stream[] {
  const served: Stream[] = []
  talk.onMessage = ({ id, lane }) => void served.push(streamsOf(talk).serve(id, lane, false, sink))
  return served
}

export function write(stream: Stream, value: string | Buffer): boolean {
  return stream.write(FLAGS, raw, value)
}

export function openFrame(id: number): Buffer {
  return frame(KIND.STREAM_OPEN, { flags: FLAGS, aux: 7, id, body: u32(0) })
}

export function dataFrame(id: number, text: string): Buffer {
  return frame(KIND.STREAM_DATA, { flags: FLAGS, id, body: Buffer.from(text) })
}

/** Without a status: in good order. */
export function endFrame(id: number, status = 0, body = status === 0 ? Buffer.alloc(0) : someFault()): Buffer {
  return frame(KIND.STREAM_END, { aux: status, id, body })
}

export function resetFrame(id: number, status = 1, body = someFault()): Buffer {
  return frame(KIND.STREAM_RESET, { aux: status, id, body })
}

export function creditFrame(id: number, bytes: number): Buffer {
  return frame(KIND.CREDIT, { id, body: u32(bytes) })
}

function someFault(): Buffer {
  return encodeFault({ processed: 'maybe', retryAfterMs: 0, reason: '', message: 'said so' })
}

const NAMES = new Map<number, string>([
  [KIND.STREAM_OPEN, 'open'],
  [KIND.STREAM_DATA, 'data'],
  [KIND.STREAM_END, 'end'],
  [KIND.STREAM_RESET, 'reset'],
  [KIND.PART, 'part'],
  [KIND.CREDIT, 'credit'],
  [KIND.PONG, 'pong'],
])

function brief({ kind, flags, id, body }: Frame): string {
  const last = kind !== KIND.PART && (flags & FLAG.MORE) !== 0 ? ' last' : ''
  if (kind === KIND.PART) return body.length === 0 ? 'part taken back' : 'part'
  const text = kind === KIND.STREAM_DATA && body.length < 20 ? ` ${body.toString('latin1')}` : ''
  return `${NAMES.get(kind)} ${id}${last}${text}`
}

/** What was sent, in a word each. */
export function sent(talk: Talk): string[] {
  return talk.sent.map(brief)
}

/** The socket takes nothing from here on. */
export function block(talk: Talk): void {
  talk.channel.full = true
  talk.connection.writes.control(KIND.PONG, 0, 0, 0)
  talk.pass()
  talk.channel.writes.length = 0
}

export function unblock(talk: Talk): void {
  talk.channel.flush()
  talk.pass()
}

/** Nothing of the streams is left, and the windows have given back what they had grown by. */
export function expectNone(talk: Talk): void {
  const streams = streamsOf(talk)
  expect([streams.ours, streams.theirs, talk.connection.openStreams]).toEqual([0, 0, 0])
  expect(talk.connection.flow?.budget.left).toBe(talk.environment.flow.windowBudgetBytes)
  expect(talk.environment.wheel.armed).toBe(0)
}
