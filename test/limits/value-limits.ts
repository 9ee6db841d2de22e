import { expect } from 'vitest'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { shapes } from '../fixtures/proto/shapes.js'
import { frame, MSGPACK, packed } from '../fixtures/raw-peer.js'
import { both, PROTOBUF, type Subject, type Table } from './subject.js'

/** Arrays in arrays. */
function nested(levels: number): unknown {
  return levels === 0 ? 7 : [nested(levels - 1)]
}

function keys(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, index]))
}

/** A tree so many messages deep. */
function tree(levels: number): Buffer {
  let message: shapes.Tree.$Properties = { leaf: Buffer.from('x') }
  for (let level = 1; level < levels; level += 1) message = { left: message }
  return Buffer.from(shapes.Tree.encode(shapes.Tree.fromObject(message)).finish())
}

/** A metadata block. */
function metadata(entries: readonly (readonly [string, string])[]): Buffer {
  const body = Buffer.concat(
    entries.map(([key, value]) => {
      const head = Buffer.alloc(2)
      head.writeUInt16LE(value.length)
      return Buffer.concat([Buffer.of(key.length), Buffer.from(key), head, Buffer.from(value)])
    }),
  )
  const head = Buffer.alloc(2)
  head.writeUInt16LE(body.length)
  return Buffer.concat([head, body])
}

function withMetadata(entries: readonly (readonly [string, string])[]): [Buffer, number] {
  return [Buffer.concat([metadata(entries), packed(1)]), MSGPACK | FLAG.METADATA]
}

function numbered(count: number): (readonly [string, string])[] {
  return Array.from({ length: count }, (_, index) => [`k${index}`, 'v'] as const)
}

async function ownCall(subject: Subject, entries: readonly (readonly [string, string])[]): Promise<unknown> {
  const call = subject.client.call('take', 1, { metadata: Object.fromEntries(entries) })
  const outcome = call.then(
    () => null,
    (error: unknown) => (error as { reason: string }).reason,
  )
  await subject.settle()
  const { unread } = subject.peer
  if (unread.some(({ kind }) => kind === KIND.CALL)) {
    const { id } = await subject.peer.nextOf(KIND.CALL)
    subject.peer.write(frame(KIND.ANSWER, { flags: MSGPACK, id, body: packed(null) }))
  }
  return outcome
}

export const valueLimits: Table = {
  msgpackDepth: both({
    limits: { msgpackDepth: 5 },
    at: async (subject) => expect(await subject.deliver(packed(nested(5)))).toBeNull(),
    past: async (subject) => expect(await subject.deliver(packed(nested(6)))).toBe('msgpack-depth'),
  }),
  msgpackNodes: both({
    limits: { msgpackNodes: 100 },
    // The array itself is one of them.
    at: async (subject) => expect(await subject.deliver(packed(Array.from({ length: 99 }, () => 1)))).toBeNull(),
    past: async (subject) => {
      expect(await subject.deliver(packed(Array.from({ length: 100 }, () => 1)))).toBe('msgpack-nodes')
    },
  }),
  msgpackKeys: both({
    limits: { msgpackKeys: 10 },
    at: async (subject) => expect(await subject.deliver(packed([keys(10), keys(10)]))).toBeNull(),
    past: async (subject) => expect(await subject.deliver(packed([keys(1), keys(11)]))).toBe('msgpack-keys'),
  }),
  protobufDepth: both({
    limits: { protobufDepth: 4 },
    // Levels within the outermost message.
    at: async (subject) => expect(await subject.deliver(tree(1 + 4), PROTOBUF)).toBeNull(),
    past: async (subject) => expect(await subject.deliver(tree(1 + 5), PROTOBUF)).toBe('protobuf-depth'),
  }),
  metadataEntries: [
    {
      role: 'server',
      limits: { metadataEntries: 3 },
      at: async (subject) => expect(await subject.deliver(...withMetadata(numbered(3)))).toBeNull(),
      past: async (subject) => expect(await subject.deliver(...withMetadata(numbered(4)))).toBe('metadata-entries'),
    },
    {
      role: 'own',
      metric: null,
      limits: { metadataEntries: 3 },
      at: async (subject) => expect(await ownCall(subject, numbered(3))).toBeNull(),
      past: async (subject) => expect(await ownCall(subject, numbered(4))).toBe('metadata-entries'),
    },
  ],
  metadataBytes: [
    {
      role: 'server',
      limits: { metadataBytes: 50 },
      // Three bytes of lengths and one of key.
      at: async (subject) => expect(await subject.deliver(...withMetadata([['k', 'x'.repeat(46)]]))).toBeNull(),
      past: async (subject) => {
        expect(await subject.deliver(...withMetadata([['k', 'x'.repeat(47)]]))).toBe('metadata-bytes')
      },
    },
    {
      role: 'own',
      metric: null,
      limits: { metadataBytes: 50 },
      at: async (subject) => expect(await ownCall(subject, [['k', 'x'.repeat(46)]])).toBeNull(),
      past: async (subject) => expect(await ownCall(subject, [['k', 'x'.repeat(47)]])).toBe('metadata-bytes'),
    },
  ],
}
