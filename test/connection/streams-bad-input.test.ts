import { describe, expect, it } from 'vitest'
import { failure, type TransportError } from '../../src/base/errors.js'
import type { Stream } from '../../src/connection/stream.js'
import { StreamIds } from '../../src/connection/stream-ids.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { frame, u32 } from '../fixtures/raw-peer.js'
import { Talk } from './bench.js'
import {
  creditFrame,
  dataFrame,
  endFrame,
  Noting,
  open,
  openFrame,
  resetFrame,
  serving,
  streamsOf,
  talking,
} from './stream-bench.js'

const KiB = 1_024
const BAD_FAULT = Buffer.of(9, 9, 9)

/** Of each side one stream that is open, and one that is over. */
class Scene {
  readonly talk: Talk
  readonly sink = new Noting()
  readonly ours: Stream
  readonly theirs: Stream
  /** Ids: open, over, and never opened; of ours and of theirs. */
  readonly o: readonly [open: number, over: number, never: number]
  readonly t: readonly [open: number, over: number, never: number]

  constructor(dialled: boolean) {
    this.talk = talking(dialled, { flow: { streamWindowBytes: KiB } })
    const first = dialled ? 1 : 2
    this.o = [first, first + 2, first + 4]
    const other = dialled ? 2 : 1
    this.t = [other, other + 2, other + 4]
    const served = serving(this.talk, this.sink)
    this.ours = open(this.talk, this.sink)
    open(this.talk, new Noting())
    this.talk.channel.say(endFrame(this.o[1]), openFrame(this.t[0]), openFrame(this.t[1]))
    this.theirs = served[0] as Stream
    served[1]?.settle(null, Buffer.alloc(0))
    this.talk.pass()
    this.talk.channel.writes.length = 0
    this.talk.heard.length = 0
  }

  end(): void {
    this.talk.end()
    const streams = streamsOf(this.talk)
    expect([streams.ours, streams.theirs]).toEqual([0, 0])
  }
}

const roles = [
  ['dialled', true],
  ['accepted', false],
] as const

describe.each(roles)('a peer of the side that %s', (_, dialled) => {
  it.each<readonly [string, (scene: Scene) => readonly Buffer[], TransportError['reason']]>([
    [
      'sends data beyond the credit of our stream',
      ({ o }) => [dataFrame(o[0], 'x'.repeat(KiB - 12)), dataFrame(o[0], '')],
      'credit-exceeded',
    ],
    [
      'sends data beyond the credit of its stream',
      ({ t }) => [dataFrame(t[0], 'x'.repeat(5_000)), dataFrame(t[0], '')],
      'credit-exceeded',
    ],
    [
      'goes on without credit on a stream that we gave up',
      ({ o, ours }) => {
        ours.reset(failure('cancelled', 'enough'))
        return [dataFrame(o[0], 'x'.repeat(KiB)), dataFrame(o[0], 'x')]
      },
      'credit-exceeded',
    ],
    [
      'goes on without credit on a stream that it gave up',
      ({ t }) => [resetFrame(t[0]), dataFrame(t[0], 'x'.repeat(KiB)), dataFrame(t[0], 'x')],
      'credit-exceeded',
    ],
    ['grants our stream nothing', ({ o }) => [creditFrame(o[0], 0)], 'credit-invalid'],
    ['grants its own stream nothing', ({ t }) => [creditFrame(t[0], 0)], 'credit-invalid'],
    ['grants our stream less than nothing', ({ o }) => [creditFrame(o[0], 0xffff_ffff)], 'credit-invalid'],
    ['grants its stream less than nothing', ({ t }) => [creditFrame(t[0], 0xffff_ffff)], 'credit-invalid'],
    ['grants over 2^31 - 1 in all', ({ o }) => [creditFrame(o[0], 2 ** 31 - KiB)], 'credit-invalid'],
    [
      'grants over 2^31 - 1 in two steps',
      ({ t }) => [creditFrame(t[0], 2 ** 31 - 1 - KiB), creditFrame(t[0], 1)],
      'credit-invalid',
    ],
    ['grants a stream that we never opened', ({ o }) => [creditFrame(o[2], 1)], 'credit-invalid'],
    ['grants a stream that it never opened', ({ t }) => [creditFrame(t[2], 1)], 'credit-invalid'],
    [
      'grants a stream in a lane',
      ({ o }) => [frame(KIND.CREDIT, { aux: 1, id: o[0], body: u32(1) })],
      'frame-malformed',
    ],
    [
      'grants in three bytes',
      ({ o }) => [frame(KIND.CREDIT, { id: o[0], body: Buffer.alloc(3, 1) })],
      'frame-malformed',
    ],
    ['sends data on a stream that we never opened', ({ o }) => [dataFrame(o[2], 'x')], 'stream-id-invalid'],
    ['sends data on a stream that it never opened', ({ t }) => [dataFrame(t[2], 'x')], 'stream-id-invalid'],
    ['sends data on stream 0', () => [dataFrame(0, 'x')], 'stream-id-invalid'],
    ['ends a stream that we never opened', ({ o }) => [endFrame(o[2])], 'stream-id-invalid'],
    ['ends a stream that it never opened', ({ t }) => [endFrame(t[2])], 'stream-id-invalid'],
    ['ends stream 0', () => [endFrame(0)], 'stream-id-invalid'],
    ['gives up a stream that it never opened', ({ t }) => [resetFrame(t[2])], 'stream-id-invalid'],
    ['gives up stream 0', () => [resetFrame(0)], 'stream-id-invalid'],
    ['gives up a stream of ours', ({ o }) => [resetFrame(o[0])], 'stream-id-invalid'],
    ['gives up a stream of ours that is over', ({ o }) => [resetFrame(o[1])], 'stream-id-invalid'],
    ['gives up a stream that we never opened', ({ o }) => [resetFrame(o[2])], 'stream-id-invalid'],
    ['opens a stream twice', ({ t }) => [openFrame(t[0])], 'stream-id-invalid'],
    ['opens one that is over', ({ t }) => [openFrame(t[1])], 'stream-id-invalid'],
    ['opens the same new one twice', ({ t }) => [openFrame(t[2]), openFrame(t[2])], 'stream-id-invalid'],
    ['opens one of ours', ({ o }) => [openFrame(o[2])], 'stream-id-invalid'],
    ['opens stream 0', () => [openFrame(0)], 'stream-id-invalid'],
    ['leaves out half of the circle', ({ t }) => [openFrame(t[1] + 2 ** 31)], 'stream-id-invalid'],
    [
      'goes once around to the id of a stream that is open',
      ({ t }) => [openFrame(t[0] + 0x7fff_fffe), openFrame(t[0] + 0xffff_fffa), openFrame(t[0])],
      'stream-id-invalid',
    ],
    ['opens without a deadline', ({ t }) => [frame(KIND.STREAM_OPEN, { aux: 7, id: t[2] })], 'frame-malformed'],
    ['sends data after its end', ({ t }) => [endFrame(t[0]), dataFrame(t[0], 'x')], 'stream-ended'],
    ['ends its half twice', ({ t }) => [endFrame(t[0]), endFrame(t[0])], 'stream-ended'],
    ['ends with a fault that cannot be read', ({ o }) => [endFrame(o[0], 2, BAD_FAULT)], 'frame-malformed'],
    ['ends with a status and no fault', ({ o }) => [endFrame(o[0], 2, Buffer.alloc(0))], 'frame-malformed'],
    ['gives up with a fault that cannot be read', ({ t }) => [resetFrame(t[0], 1, BAD_FAULT)], 'frame-malformed'],
    ['ends with metadata cut short', ({ o }) => [endFrame(o[0], 0, Buffer.of(3, 0, 1))], 'frame-malformed'],
    ['ends with bytes behind its metadata', ({ o }) => [endFrame(o[0], 0, Buffer.of(0, 0, 1))], 'frame-malformed'],
    ['ends with half a metadata length', ({ o }) => [endFrame(o[0], 0, Buffer.of(0))], 'frame-malformed'],
    ['ends its own half with metadata', ({ t }) => [endFrame(t[0], 0, Buffer.of(0, 0))], 'frame-malformed'],
    ['ends its own half with a status', ({ t }) => [endFrame(t[0], 2)], 'frame-malformed'],
    ['ends in parts', ({ o }) => [frame(KIND.STREAM_END, { flags: FLAG.MORE, id: o[0] })], 'frame-malformed'],
    [
      'compresses an end',
      ({ o }) => [frame(KIND.STREAM_END, { flags: FLAG.COMPRESSED, id: o[0] })],
      'compression-forbidden',
    ],
  ])('that %s ends the connection', (_name, framesOf, reason) => {
    const scene = new Scene(dialled)
    const { talk } = scene
    const frames = framesOf(scene)
    talk.channel.say(...frames.slice(0, -1))
    expect([talk.connection.state, talk.reason]).toEqual(['ready', undefined])
    talk.channel.say(...frames.slice(-1))
    expect([talk.connection.state, talk.reason]).toEqual(['closed', reason])
    // Nobody hears of anything after that.
    const before = scene.sink.heard.length
    talk.channel.say(dataFrame(scene.o[0], 'late'))
    expect(scene.sink.heard).toHaveLength(before)
    scene.end()
  })

  it.each<readonly [string, (scene: Scene) => readonly Buffer[]]>([
    ['data on one of ours', ({ o }) => [dataFrame(o[1], 'x'.repeat(5_000)), dataFrame(o[1], 'x')]],
    ['data on one of its own', ({ t }) => [dataFrame(t[1], 'x'.repeat(5_000)), dataFrame(t[1], 'x')]],
    ['an end of one of ours', ({ o }) => [endFrame(o[1]), endFrame(o[1], 2)]],
    ['an end of one of its own', ({ t }) => [endFrame(t[1]), endFrame(t[1])]],
    ['a reset of one of its own', ({ t }) => [resetFrame(t[1]), resetFrame(t[1])]],
    ['credit for one of ours', ({ o }) => [creditFrame(o[1], 1), creditFrame(o[1], 2 ** 31 - 1)]],
    ['credit for one of its own', ({ t }) => [creditFrame(t[1], 1), creditFrame(t[1], 0)]],
  ])('may send, for a stream that is over, %s: it crossed the end', (_name, framesOf) => {
    const scene = new Scene(dialled)
    const { talk, sink } = scene
    talk.channel.say(...framesOf(scene))
    talk.pass()
    expect([talk.connection.state, talk.reason, sink.heard, talk.sent]).toEqual(['ready', undefined, [], []])
    scene.end()
  })

  it('may give a stream up twice, and its data and its end may follow', () => {
    const scene = new Scene(dialled)
    const { talk, sink, t, theirs } = scene
    talk.channel.say(resetFrame(t[0]), resetFrame(t[0]), dataFrame(t[0], 'late'), endFrame(t[0]))
    expect([talk.reason, sink.heard]).toEqual([undefined, ['over: cancelled, maybe']])
    // Its place is held until the handler has settled.
    expect(streamsOf(talk).theirs).toBe(1)
    theirs.settle(null, Buffer.alloc(0))
    talk.pass()
    expect(streamsOf(talk).theirs).toBe(0)
    expect(talk.sent).toMatchObject([{ kind: KIND.STREAM_END, id: t[0], aux: 0 }])
    scene.end()
  })

  it('may leave out ids, and goes once around the circle', () => {
    const talk = talking(dialled)
    const served = serving(talk, new Noting())
    const parity = dialled ? 0 : 1
    for (const id of [0x7fff_fffe, 0xffff_fffc, 0xffff_fffe, 2, 4].map((even) => even + parity)) {
      talk.channel.say(openFrame(id))
      expect([talk.reason, served.at(-1)?.id]).toEqual([undefined, id])
      talk.channel.say(dataFrame(id, 'x'), endFrame(id))
      served.at(-1)?.settle(null, Buffer.alloc(0))
    }
    expect([talk.reason, streamsOf(talk).theirs]).toEqual([undefined, 0])
    talk.end()
  })

  it('that has opened nothing can send nothing for it, whatever the id', () => {
    for (const id of [1, 2, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffe, 0xffff_ffff]) {
      for (const bytes of [dataFrame(id, 'x'), endFrame(id), resetFrame(id)]) {
        const talk = talking(dialled)
        talk.channel.say(bytes)
        expect([id, talk.reason]).toEqual([id, 'stream-id-invalid'])
        talk.end()
      }
    }
  })

  it('that did not announce streams can send nothing of them', () => {
    for (const bytes of [
      openFrame(1),
      openFrame(2),
      dataFrame(1, 'x'),
      endFrame(2),
      resetFrame(1),
      creditFrame(1, 1),
    ]) {
      const talk = Talk.ready({}, {}, 5_000, dialled)
      talk.channel.say(bytes)
      expect([talk.reason, talk.connection.streams]).toEqual(['frame-unexpected', null])
      talk.end()
    }
  })
})

describe('our ids', () => {
  it('rise by two on a circle without 0', () => {
    const after = (last: number): number => new StreamIds(last).next(new Set())
    expect([0xffff_ffff, 1, 0, 2, 0xffff_fffd, 0xffff_fffc, 0xffff_fffe].map(after)).toEqual([
      1, 3, 2, 4, 0xffff_ffff, 0xffff_fffe, 2,
    ])
  })

  it('leave out those of streams that are open since the last time around', () => {
    const ids = new StreamIds(0xffff_fffc)
    const open = new Set([0xffff_fffe, 2, 6])
    expect([1, 2, 3].map(() => ids.next(open))).toEqual([4, 8, 10])
  })

  it.each(roles)('are odd where we dialled, even where we accepted: %s', (_, dialled) => {
    const talk = talking(dialled)
    const ids = [1, 2, 3].map(() => open(talk, new Noting()).id)
    expect(ids).toEqual(dialled ? [1, 3, 5] : [2, 4, 6])
    talk.end()
  })
})
