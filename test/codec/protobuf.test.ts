import { describe, expect, it } from 'vitest'
import { protobuf } from '../../src/codec/protobuf.js'
import { shapes } from '../fixtures/proto/shapes.js'
import { decoded, encoded, reasonOf } from './encoded.js'

const tree = protobuf(shapes.Tree)
const everything = protobuf(shapes.Everything)

/** A tree of so many messages, each within the last. */
function nested(levels: number): shapes.ITree {
  let node: shapes.ITree = { leaf: Buffer.from('x') }
  for (let level = 1; level < levels; level += 1) node = { left: node }
  return node
}

describe('a value sent as protobuf', () => {
  it('is what protobufjs itself would send', () => {
    const value = {
      anInt32: -5,
      aString: 'größe',
      someBytes: Buffer.of(1, 2, 3),
      uint32s: [1, 300, 70_000],
      tree: nested(3),
    }
    const ours = encoded(everything, shapes.Everything.fromObject(value))
    expect(ours).toEqual(Buffer.from(shapes.Everything.encode(shapes.Everything.fromObject(value)).finish()))
    expect(decoded(everything, ours)).toMatchObject({ anInt32: -5, aString: 'größe', uint32s: [1, 300, 70_000] })
  })

  it('carries 64-bit integers as safe numbers and as bigints, and never as 0 in silence', () => {
    for (const value of [0, 1, 2 ** 53 - 1, 5n, 2n ** 64n - 1n]) {
      const message = { aUint64: value } as unknown as shapes.Everything
      expect(BigInt(String(decoded(everything, encoded(everything, message)).aUint64))).toBe(BigInt(value))
    }
  })

  it.each([
    ['a number over 32 bits in a field of 32', { anInt32: 2 ** 31 }],
    ['a bigint over 64 bits', { aUint64: 2n ** 64n }],
    ['an unsafe number in a field of 64 bits', { aUint64: 2 ** 53 }],
    ['text in a field of numbers', { anInt32: 'five' }],
  ])('is refused with %s', (_what, message) => {
    expect(reasonOf(() => encoded(everything, message as unknown as shapes.Everything))).toBe('encode-failed')
  })

  it('shares no memory with bytes that are not given away', () => {
    const bytes = encoded(tree, shapes.Tree.fromObject({ leaf: Buffer.from('leaf') }))
    const borrowed = decoded(tree, bytes).leaf as Buffer
    expect(borrowed.buffer).not.toBe(bytes.buffer)
    expect(borrowed).toEqual(Buffer.from('leaf'))
  })
})

describe('protobuf bytes from a peer', () => {
  it('may be nested 32 deep and not 33', () => {
    const bytes = (levels: number): Uint8Array => shapes.Tree.encode(shapes.Tree.fromObject(nested(levels))).finish()
    expect(decoded(tree, bytes(33))).toBeDefined()
    expect(reasonOf(() => decoded(tree, bytes(34)))).toBe('protobuf-depth')
  })

  it('have their unknown fields dropped', () => {
    const bytes = Buffer.concat([encoded(tree, shapes.Tree.fromObject({ leaf: Buffer.of(1) })), Buffer.of(0x78, 5)])
    expect(Object.keys(decoded(tree, bytes))).toEqual(['leaf'])
  })

  it('that are cut short or no message are refused by name', () => {
    const bytes = encoded(tree, shapes.Tree.fromObject(nested(4)))
    for (let length = 1; length < bytes.length; length += 1) {
      expect(reasonOf(() => decoded(tree, bytes.subarray(0, length)))).toBe('protobuf-malformed')
    }
    expect(reasonOf(() => decoded(tree, Buffer.of(0xff, 0xff, 0xff)))).toBe('protobuf-malformed')
  })
})

describe('a class that is no message class', () => {
  it('is refused when the contract is made', () => {
    expect(reasonOf(() => protobuf({ encode: () => {}, decode: () => {} } as never))).toBe('misuse')
  })
})
