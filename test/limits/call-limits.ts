import { expect } from 'vitest'
import { KIND } from '../../src/wire/frame.js'
import { FEATURE, type HelloFields } from '../../src/wire/hello.js'
import { answerFrame, faultOf, frame, methodFrame, u32 } from '../fixtures/raw-peer.js'
import { until } from '../fixtures/stage.js'
import { both, type Case, type Subject, type Table } from './subject.js'

/** Frames that our end answers with an error: for an id that only rises. */
async function badCalls(subject: Subject, count: number): Promise<void> {
  for (let call = 0; call < count; call += 1) {
    if (subject.role === 'client') expect(await subject.deliver(Buffer.of(0xc1))).toBe('msgpack-malformed')
    else {
      subject.peer.write(subject.call('nobody'))
      expect(faultOf(await subject.peer.nextOf(KIND.ERROR)).reason).toBe('method-unknown')
    }
  }
}

function cancels(subject: Subject, count: number): void {
  subject.peer.write(...Array.from({ length: count }, (_, id) => frame(KIND.CANCEL, { id: id + 1, aux: 1 })))
}

async function pings(subject: Subject, count: number): Promise<void> {
  for (let ping = 0; ping < count; ping += 1) await subject.alive()
}

/** A method name that was not introduced before; our servers' subjects have introduced seven. */
function names(subject: Subject, from: number, to: number): void {
  const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index)
  subject.peer.write(...numbers.map((number) => methodFrame(number, `name-${number}`)))
}

const manyMethods: Omit<Case, 'role'> = {
  limits: { maxMethods: 10 },
  at: async (subject) => {
    names(subject, subject.role === 'server' ? 8 : 1, 10)
    await subject.alive()
  },
  past: async (subject) => {
    names(subject, 11, 11)
    await subject.cut('too-many-methods')
  },
}

const FLOWING: Partial<HelloFields> = {
  features: FEATURE.FLOW,
  flow: { maxStreams: 1, streamWindowBytes: 1_024, laneWindowBytes: 1_024 },
}

/** A message, and then for ever nothing. */
async function* oneAndWait(body: unknown): AsyncGenerator<unknown> {
  yield body
  await new Promise(() => {})
}

export const callLimits: Table = {
  maxStreams: [
    {
      role: 'server',
      limits: { maxStreams: 2 },
      hello: FLOWING,
      at: async (subject) => {
        subject.peer.write(subject.feed(1), subject.feed(3))
        await subject.alive()
        expect(subject.connections()[0]?.runningHandlers).toBe(2)
      },
      past: async (subject) => {
        subject.peer.write(subject.feed(5))
        const refusal = await subject.peer.nextOf(KIND.STREAM_END)
        expect(refusal.id).toBe(5)
        expect(faultOf(refusal)).toMatchObject({ reason: 'too-many-streams', processed: 'no' })
        await subject.alive()
      },
    },
    {
      // Our own caller keeps to what the peer announced.
      role: 'own',
      limits: {},
      hello: FLOWING,
      metric: null,
      at: async (subject) => {
        void subject.feeding(oneAndWait(1))
        await subject.peer.nextOf(KIND.STREAM_OPEN)
      },
      past: async (subject) => {
        expect(await subject.feeding([2])).toBe('too-many-streams')
      },
    },
  ],
  streamIdleMs: [
    {
      // An opener that neither sends nor ends its half.
      role: 'server',
      limits: { streamIdleMs: 1_000 },
      hello: FLOWING,
      at: async (subject) => {
        subject.peer.write(subject.feed(1))
        await subject.alive()
        subject.clock.advance(1_900)
        await subject.alive()
      },
      past: async (subject) => {
        subject.clock.advance(200)
        expect(faultOf(await subject.peer.nextOf(KIND.STREAM_END)).reason).toBe('stream-idle')
        await subject.alive()
      },
    },
    {
      // A server that grants no credit for what waits.
      role: 'client',
      limits: { streamIdleMs: 1_000 },
      hello: FLOWING,
      at: async (subject) => {
        void subject.feeding([Buffer.alloc(2_000), Buffer.alloc(2_000)])
        await subject.peer.nextOf(KIND.STREAM_DATA)
        subject.clock.advance(1_900)
        await subject.alive()
      },
      past: async (subject) => {
        subject.clock.advance(200)
        expect(faultOf(await subject.peer.nextOf(KIND.STREAM_RESET)).reason).toBe('stream-idle')
        await subject.alive()
      },
    },
  ],
  maxOpenCalls: [
    {
      role: 'server',
      limits: { maxOpenCalls: 3 },
      at: async (subject) => {
        subject.peer.write(subject.call('hold'), subject.call('hold'), subject.call('hold'))
        await until(() => subject.held.length === 3)
        await subject.alive()
      },
      past: async (subject) => {
        subject.peer.write(subject.call('hold'))
        const refusal = faultOf(await subject.peer.nextOf(KIND.ERROR))
        expect(refusal).toMatchObject({ reason: 'too-many-open-calls', processed: 'no' })
        expect(subject.held).toHaveLength(3)
        await subject.alive()
        for (const release of subject.held) release()
      },
    },
    {
      // Messages have no answer to refuse them with: they are not read.
      role: 'server',
      limits: { maxOpenCalls: 3 },
      metric: 'readPauses',
      at: async (subject) => {
        subject.onNote = () => new Promise<void>((resolve) => subject.held.push(resolve))
        const note = subject.note(Buffer.of(1))
        subject.peer.write(note, note)
        await until(() => subject.held.length === 2)
        await subject.alive()
      },
      past: async (subject) => {
        const note = subject.note(Buffer.of(1))
        subject.peer.write(note, note)
        await until(() => subject.held.length === 3)
        await subject.settle()
        expect(subject.held).toHaveLength(3)
        subject.held[0]?.()
        await until(() => subject.held.length === 4)
        for (const release of subject.held) release()
        await subject.alive()
      },
    },
    {
      // Our own caller keeps to what the peer announced: what is over it waits.
      role: 'own',
      limits: {},
      hello: { maxOpenCalls: 2 },
      metric: null,
      at: async (subject) => {
        for (const number of [1, 2]) void subject.client.call('take', number)
        await subject.peer.nextOf(KIND.CALL)
        await subject.peer.nextOf(KIND.CALL)
      },
      past: async (subject) => {
        const third = subject.client.call('take', 3)
        await subject.settle()
        expect(subject.peer.unread.filter(({ kind }) => kind === KIND.CALL)).toEqual([])
        expect(subject.client.info().waitingCalls).toBe(1)
        subject.peer.write(answerFrame(1, null), answerFrame(2, null))
        const { id } = await subject.peer.nextOf(KIND.CALL)
        subject.peer.write(answerFrame(id, null))
        await third
      },
    },
  ],
  maxMethods: [
    ...both(manyMethods),
    {
      role: 'own',
      limits: { maxMethods: 4 },
      metric: null,
      at: async (subject) => {
        // Three of the contract are in use already.
        const call = subject.client.call('fourth', 1)
        const { id } = await subject.peer.nextOf(KIND.CALL)
        subject.peer.write(answerFrame(id, null))
        await call
      },
      past: async (subject) => {
        await expect(subject.client.call('fifth', 1)).rejects.toMatchObject({
          reason: 'too-many-methods',
          origin: 'local',
        })
      },
    },
  ],
  cancelBurst: both({
    limits: { cancelBurst: 750 },
    at: async (subject) => {
      cancels(subject, 750)
      await subject.alive()
    },
    past: async (subject) => {
      cancels(subject, 1)
      await subject.cut('too-many-cancels')
    },
  }),
  cancelsPerSecond: both({
    limits: { cancelBurst: 750, cancelsPerSecond: 40 },
    at: async (subject) => {
      cancels(subject, 750)
      await subject.alive()
      subject.clock.advance(1_000)
      cancels(subject, 40)
      await subject.alive()
    },
    past: async (subject) => {
      subject.clock.advance(24)
      cancels(subject, 1)
      await subject.cut('too-many-cancels')
    },
  }),
  errorsPer10s: both({
    limits: { errorsPer10s: 5 },
    at: async (subject) => {
      await badCalls(subject, 5)
      await subject.alive()
      // Half a window brings half of them back.
      subject.clock.advance(5_000)
      await badCalls(subject, 2)
      await subject.alive()
    },
    past: async (subject) => {
      if (subject.role === 'server') subject.peer.write(subject.call('nobody'))
      else await badCalls(subject, 1)
      await subject.cut('too-many-errors')
    },
  }),
  pingBurst: both({
    limits: { pingBurst: 6 },
    at: async (subject) => await pings(subject, 6),
    past: async (subject) => {
      subject.peer.write(frame(KIND.PING, { id: 1 }))
      await subject.cut('too-many-pings')
    },
  }),
  pingsPerSecond: both({
    limits: { pingBurst: 6, pingsPerSecond: 2 },
    at: async (subject) => {
      await pings(subject, 6)
      subject.clock.advance(1_000)
      await pings(subject, 2)
    },
    past: async (subject) => {
      subject.clock.advance(490)
      subject.peer.write(frame(KIND.PING, { id: 1 }))
      await subject.cut('too-many-pings')
    },
  }),
  maxUnackedMessages: [
    {
      role: 'own',
      limits: { maxUnackedMessages: 2 },
      options: { mailbox: { overflow: 'reject' } },
      hello: { features: FEATURE.ACKS },
      at: async (subject) => {
        for (const value of [1, 2]) {
          void subject.client.send('take', value, { ack: 'processed' }).catch(() => {})
          await subject.peer.nextOf(KIND.ONE_WAY)
        }
      },
      past: async (subject) => {
        const third = subject.client.send('take', 3, { ack: 'processed' })
        await expect(third).rejects.toMatchObject({ reason: 'queue-full', processed: 'no' })
        subject.peer.write(frame(KIND.ACK, { aux: 2, body: Buffer.concat([u32(1), u32(1)]) }))
        await until(() => subject.metrics().oneWayAcked === 1)
        void subject.client.send('take', 4, { ack: 'processed' }).catch(() => {})
        await subject.peer.nextOf(KIND.ONE_WAY)
      },
    },
  ],
  maxQueuedCalls: [
    {
      role: 'own',
      limits: { maxQueuedCalls: 3 },
      bare: true,
      at: async (subject) => {
        for (const number of [1, 2, 3]) void subject.client.call('take', number).catch(() => {})
        await subject.settle()
        expect(subject.client.info().waitingCalls).toBe(3)
      },
      past: async (subject) => {
        await expect(subject.client.call('take', 4)).rejects.toMatchObject({ reason: 'queue-full', processed: 'no' })
        subject.peer.hello()
        for (let answered = 0; answered < 3; answered += 1) {
          const { id } = await subject.peer.nextOf(KIND.CALL)
          subject.peer.write(answerFrame(id, null))
        }
        await until(() => subject.metrics().callsSucceeded === 3)
      },
    },
  ],
}
