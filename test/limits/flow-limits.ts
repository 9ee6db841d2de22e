import { expect } from 'vitest'
import { KIND } from '../../src/wire/frame.js'
import { callFrame, methodFrame } from '../fixtures/raw-peer.js'
import { until } from '../fixtures/stage.js'
import { KiB, MiB, type Subject, type Table } from './subject.js'

/** Nothing is compressed, so that bytes are what they seem. */
const PLAIN = { compressions: 0 }
const NO_LIMIT = 1_024 * MiB
/** More than the kernel takes from us while the peer does not read. */
const UNREAD = { unreadSoftBytes: NO_LIMIT, unreadHardBytes: NO_LIMIT }
const NEVER = 600_000

/** The peer stops reading, and our end has written so much that its socket is full. */
async function block(subject: Subject): Promise<void> {
  subject.peer.socket.pause()
  subject.gift = Buffer.alloc(900 * KiB)
  while (subject.queuedBytes === 0) {
    if (subject.role === 'server') {
      const { handlersFinished } = subject.metrics()
      subject.peer.write(subject.call('give'))
      await until(() => subject.metrics().handlersFinished > handlersFinished)
    } else {
      void subject.client.call('take', subject.gift).catch(() => {})
      await subject.settle()
    }
  }
}

/** Has our end queue one more error each: it is a control frame. */
async function errors(subject: Subject, count: number): Promise<void> {
  const before = subject.metrics().failures['method-unknown']
  for (let call = 0; call < count; call += 1) {
    if (subject.role === 'server') subject.peer.write(subject.call('nobody'))
    else subject.peer.write(callFrame(subject.nextId(), 1, null))
  }
  await until(() => subject.metrics().failures['method-unknown'] === before + count)
}

/** Gets one more answer of 100 KiB that nobody reads. */
async function give(subject: Subject): Promise<void> {
  const { handlersFinished } = subject.metrics()
  subject.gift = Buffer.alloc(100 * KiB)
  subject.peer.write(subject.call('give'))
  await until(() => subject.metrics().handlersFinished > handlersFinished || subject.connections().length === 0)
}

export const flowLimits: Table = {
  maxQueuedControlFrames: [
    {
      role: 'server',
      limits: { maxQueuedControlFrames: 10, writeStallMs: NEVER, ...UNREAD },
      hello: PLAIN,
      at: async (subject) => {
        await block(subject)
        await errors(subject, 10)
        expect(subject.connections()).toHaveLength(1)
      },
      past: async (subject) => {
        await errors(subject, 1)
        await subject.gone()
      },
    },
    {
      role: 'client',
      limits: { maxQueuedControlFrames: 10, writeStallMs: NEVER },
      hello: PLAIN,
      at: async (subject) => {
        subject.peer.write(methodFrame(1, 'uninvited'))
        await block(subject)
        await errors(subject, 10)
        expect(subject.connections()).toHaveLength(1)
      },
      past: async (subject) => {
        await errors(subject, 1)
        await subject.gone()
      },
    },
  ],
  unreadSoftBytes: [
    {
      role: 'server',
      limits: { unreadSoftBytes: 2 * MiB, unreadHardBytes: NO_LIMIT, writeStallMs: NEVER },
      hello: PLAIN,
      at: async (subject) => {
        await block(subject)
        while (subject.queuedBytes < 2 * MiB - 200 * KiB) await give(subject)
        await subject.settle()
      },
      past: async (subject) => {
        await give(subject)
        await give(subject)
        await until(() => subject.metrics().readPauses === 1)
        // Its next request is not read before it reads its answers.
        const { handlersStarted } = subject.metrics()
        subject.peer.write(subject.call('take'))
        await subject.settle()
        expect(subject.metrics().handlersStarted).toBe(handlersStarted)
        subject.peer.socket.resume()
        await until(() => subject.metrics().handlersStarted === handlersStarted + 1)
        await until(() => subject.queuedBytes === 0)
        await subject.alive()
      },
    },
  ],
  unreadHardBytes: [
    {
      role: 'server',
      limits: { unreadSoftBytes: NO_LIMIT, unreadHardBytes: 4 * MiB, writeStallMs: NEVER },
      hello: PLAIN,
      at: async (subject) => {
        await block(subject)
        while (subject.queuedBytes < 4 * MiB - 200 * KiB) await give(subject)
        expect(subject.connections()).toHaveLength(1)
      },
      past: async (subject) => {
        await give(subject)
        await give(subject)
        await subject.gone()
      },
    },
  ],
  maxQueuedBytes: [
    {
      role: 'own',
      limits: { maxQueuedBytes: 2 * MiB, writeStallMs: NEVER },
      hello: PLAIN,
      at: async (subject) => {
        await block(subject)
        // The last one is let in, because the limit is not reached before it.
        for (let sent = 0; subject.queuedBytes <= 2 * MiB; sent += 1) {
          if (sent % 2 === 0) void subject.client.call('take', Buffer.alloc(100 * KiB)).catch(() => {})
          else subject.client.send('sent', Buffer.alloc(100 * KiB)).catch(() => {})
        }
        expect(subject.queuedBytes).toBeLessThan(2 * MiB + 101 * KiB)
      },
      past: async (subject) => {
        const refused = { reason: 'queue-full', code: 'RESOURCE_EXHAUSTED', processed: 'no' }
        await expect(subject.client.call('take', 1)).rejects.toMatchObject(refused)
        await expect(subject.client.send('sent', 1)).rejects.toMatchObject(refused)
        // A batch waits in its source, and so holds nothing.
        let settled = false
        const note = (): void => {
          settled = true
        }
        subject.client.sendBatch('sent', [1]).then(note, note)
        await subject.settle()
        expect(settled).toBe(false)
      },
    },
  ],
  writeStallMs: [
    {
      role: 'server',
      limits: { writeStallMs: 3_000, ...UNREAD },
      hello: PLAIN,
      at: async (subject) => {
        await block(subject)
        await subject.settle()
        subject.clock.advance(2_990)
        expect(subject.connections()).toHaveLength(1)
      },
      past: async (subject) => {
        subject.clock.advance(20)
        await subject.gone()
      },
    },
    {
      role: 'client',
      limits: { writeStallMs: 3_000 },
      hello: PLAIN,
      at: async (subject) => {
        await block(subject)
        await subject.settle()
        subject.clock.advance(2_990)
        expect(subject.connections()).toHaveLength(1)
      },
      past: async (subject) => {
        subject.clock.advance(20)
        await subject.gone()
        // Reading again does not bring it back.
        expect(subject.peer.unread.every(({ kind }) => kind !== KIND.GO_AWAY)).toBe(true)
      },
    },
  ],
}
