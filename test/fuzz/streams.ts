import { failure, type TransportError } from '../../src/base/errors.js'
import { group } from '../../src/base/options.js'
import { seededRandom } from '../../src/base/random.js'
import { Connection } from '../../src/connection/connection.js'
import { createEnvironment } from '../../src/connection/environment.js'
import type { InboundMessage, Receiver } from '../../src/connection/inbound.js'
import { connectionRules } from '../../src/connection/options.js'
import type { Stream, StreamSink } from '../../src/connection/stream.js'
import { encodeFault } from '../../src/wire/fault.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import { preface } from '../../src/wire/preface.js'
import { frame, helloFrame, u32 } from '../fixtures/raw-peer.js'
import { MemoryChannel } from '../support/memory-channel.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { hold } from './broken.js'

const OPTIONS = {
  limits: { maxStreams: 4, maxFrameBytes: 4_096, maxMessageBytes: 8_192 },
  flow: { streamWindowBytes: 1_024, laneWindowBytes: 1_024 },
  compression: { algorithm: 'none' },
} as const
const HELLO = helloFrame({
  features: FEATURE.FLOW | FEATURE.PARTS,
  flow: { maxStreams: 4, streamWindowBytes: 64, laneWindowBytes: 64 },
})
const FAULT = encodeFault({ processed: 'maybe', retryAfterMs: 0, reason: '', message: '' })
const NORMAL = 1
const FLAGS = NORMAL << FLAG.LANE_SHIFT
const bytes = { encode: (value: unknown, out: { put(bytes: Uint8Array): void }) => out.put(value as Buffer) }

/** Counts what it hears: an end comes at most once, and nothing behind it. */
class Sink implements StreamSink {
  readonly hungry = true
  stream: Stream | null = null
  held = 0
  over = 0
  onData({ cost }: InboundMessage): void {
    hold(this.over === 0, 'data behind the end')
    this.held += cost
  }
  onEnd(): void {
    hold(this.over === 0, 'an end behind the end')
  }
  onOver(): void {
    this.over += 1
    hold(this.over === 1, 'two ends')
  }
  onRoom(): void {
    hold(this.over === 0, 'room behind the end')
  }
}

/** One connection, what its owner hears, and the streams on it. */
class Talk {
  readonly clock = new VirtualClock({ turns: 'manual' })
  readonly environment = createEnvironment({
    clock: this.clock,
    random: seededRandom(1),
    ...group(connectionRules).parse(OPTIONS, ''),
    peerId: 'ours',
  })
  readonly channel = new MemoryChannel()
  readonly sinks: Sink[] = []
  readonly connection: Connection
  why: TransportError | null = null
  gone = 0

  constructor(dialled: boolean) {
    const nothing = (): void => {}
    const receiver: Receiver = {
      onMethod: nothing,
      onCall: nothing,
      onAnswer: nothing,
      onError: nothing,
      onAck: () => false,
      onNack: () => false,
      onOneWay: ({ lane, cost }) => this.connection.flow?.consume(lane, cost),
      onStreamOpen: ({ id, lane }) => this.#serve(id, lane),
      onCancel: nothing,
      onGoAway: nothing,
      onTurnEnd: nothing,
      onDrained: nothing,
      onClosed: (error) => {
        this.why = error
      },
    }
    const owner = {
      onReady: () => receiver,
      onGone: () => {
        this.gone += 1
      },
    }
    this.connection = new Connection(this.channel, this.environment, owner, [], 5_000, dialled)
    this.channel.say(preface(), HELLO)
    this.pass()
  }

  pass(): void {
    this.clock.turn()
    if (!this.channel.full) this.channel.flush()
  }

  open(): void {
    const { streams } = this.connection
    if (streams === null || streams.full) return
    const sink = new Sink()
    this.sinks.push(sink)
    const timeoutMs = Number.POSITIVE_INFINITY
    sink.stream = streams.open(
      { method: 7, flags: FLAGS, lane: NORMAL, metadata: null, timeoutMs, request: null },
      sink,
    )
  }

  #serve(id: number, lane: number): void {
    const { streams } = this.connection
    if (streams === null) return
    const sink = new Sink()
    this.sinks.push(sink)
    sink.stream = streams.serve(id, lane, false, sink)
  }
}

/** What the peer says in one step: a frame of a kind, for a stream, with a body of some size. */
function said(kind: number, id: number, size: number): Buffer {
  const body = Buffer.alloc(size * 8, 7)
  switch (kind) {
    case 0:
      return frame(KIND.STREAM_OPEN, { flags: FLAGS, aux: 7, id, body: u32(0) })
    case 1:
      return frame(KIND.STREAM_DATA, { flags: FLAGS, id, body })
    case 2:
      return frame(KIND.STREAM_END, { id, aux: size & 1, body: (size & 1) === 1 ? FAULT : Buffer.alloc(size & 2) })
    case 3:
      return frame(KIND.STREAM_RESET, { id, aux: 1, body: FAULT })
    case 4:
      return frame(KIND.CREDIT, { id, body: u32(size === 255 ? 0x7fff_ffff : size * 16) })
    case 5:
      return frame(KIND.PART, { flags: (size & 3) << FLAG.LANE_SHIFT, body: Buffer.concat([u32(size), body]) })
    case 6:
      return frame(KIND.PART, { flags: (id & 3) << FLAG.LANE_SHIFT, body: body.subarray(0, size) })
    default:
      return frame(KIND.STREAM_DATA, { flags: FLAG.MORE | FLAGS, id, body: body.subarray(0, size) })
  }
}

/** What our side does in one step. */
function done(talk: Talk, act: number, nth: number, size: number): void {
  const sink = talk.sinks[nth % Math.max(1, talk.sinks.length)]
  const stream = sink?.stream
  if (act === 8) talk.open()
  else if (act === 9) talk.pass()
  else if (act === 10) talk.channel.full = !talk.channel.full
  if (sink === undefined || stream === null || stream === undefined) return
  if (act === 11 && sink.over === 0 && !stream.withdrawn) {
    // Who is told that the queue is full stops: so do we.
    if (sink.held < 100_000 && (stream.state === 'open' || !stream.ours))
      stream.write(FLAGS, bytes, Buffer.alloc(size * 4, 1))
  } else if (act === 12 && stream.ours) stream.end()
  else if (act === 13 && stream.ours) stream.reset(failure('cancelled', 'enough'))
  else if (act === 14 && !stream.ours)
    stream.settle(size > 127 ? failure('handler-failed', 'no') : null, Buffer.alloc(0))
  else if (act === 15) {
    stream.consume(sink.held)
    sink.held = 0
  }
}

const STEP_BYTES = 3

/** The first byte says which side dialled; then three bytes a step: who does what, on which stream, with how much. */
export function fuzz(input: Uint8Array): void {
  const talk = new Talk(((input[0] ?? 0) & 1) === 1)
  for (let at = 1; at + STEP_BYTES <= input.length && talk.connection.state !== 'closed'; at += STEP_BYTES) {
    const [act = 0, nth = 0, size = 0] = input.subarray(at, at + STEP_BYTES)
    if ((act & 15) < 8) talk.channel.say(said(act & 15, nth & 31, size))
    else done(talk, act & 15, nth, size)
    const { streams } = talk.connection
    if (streams === null) continue
    hold(streams.ours >= 0 && streams.theirs >= 0, 'fewer streams than none')
    hold(streams.ours <= OPTIONS.limits.maxStreams, 'more streams of ours than the peer takes')
    hold(streams.heldBytes >= 0, 'less than nothing waits')
  }
  const { streams, writes } = talk.connection
  if (talk.why !== null)
    hold(talk.why.reason !== undefined && talk.why.origin !== 'user', `it ended: ${talk.why.message}`)
  talk.pass()
  talk.channel.cut(null)
  talk.clock.turn()
  const { wheel, ledger, chunks, carries } = talk.environment
  hold(talk.gone === 1, `gone ${talk.gone} times`)
  hold((streams?.ours ?? 0) === 0 && (streams?.theirs ?? 0) === 0, 'a stream is left')
  hold(writes.queuedBytes === 0 && (streams?.heldBytes ?? 0) === 0, 'something waits still')
  hold(wheel.armed === 0 && talk.clock.timers === 0, 'a timer is left')
  hold(ledger.current === 0 && chunks.borrowed === 0 && carries.borrowed === 0, 'a buffer is left')
}
