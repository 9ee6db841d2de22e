import type { Reason } from '../../src/base/errors.js'
import { type BadFrame, bad, beginnings, hex, unusable } from './bad-frame.js'

const PROTOBUF = 2
const DEPTH = 32

/** A Tree (`left` is field 1, a Tree; `leaf` is field 2, bytes) in a call, and in an answer. */
function refused(name: string, payload: string | Buffer, reason: Reason = 'protobuf-malformed'): BadFrame {
  const bytes = typeof payload === 'string' ? hex(payload) : payload
  return bad(name, (scene) => scene.deliver(bytes, PROTOBUF), unusable(reason))
}

function fine(name: string, payload: string | Buffer): BadFrame {
  const bytes = typeof payload === 'string' ? hex(payload) : payload
  return bad(name, (scene) => scene.deliver(bytes, PROTOBUF), 'goes on')
}

/** A tree so many messages deep, made here: the generated code would refuse to. */
function tree(levels: number): Buffer {
  let bytes = hex('120178')
  for (let level = 1; level < levels; level += 1) bytes = Buffer.concat([Buffer.of(0x0a), varint(bytes.length), bytes])
  return bytes
}

function varint(value: number): Buffer {
  return value < 0x80 ? Buffer.of(value) : Buffer.concat([Buffer.of(0x80 | (value & 0x7f)), varint(value >>> 7)])
}

const TREE = hex('0a03 1201 61 1202 6263')

export const protobufs: readonly BadFrame[] = [
  fine('no bytes', ''),
  ...beginnings(TREE)
    .filter(({ length }) => length !== 0 && length !== 5)
    .map((bytes) => refused(`a tree cut after ${bytes.length} bytes`, bytes)),
  refused('a field without its length', '12'),
  refused('bytes that end after it', '120261'),
  refused('bytes of 2^31 - 1', '12ffffffff0761'),
  refused('bytes of 2^32 - 1', '12ffffffff0f61'),
  refused('bytes whose length has eleven digits', `12${'ff'.repeat(10)}01`),
  refused('bytes whose length never ends', `12${'80'.repeat(100)}`),
  refused('a message that ends after it', '0a0261'),
  refused('a message of 2^32 - 1', '0affffffff0f00'),
  refused('a message whose field ends after the message', '0a0212021201'),
  refused('a tag that never ends', 'ff'.repeat(100)),
  refused('a tag that is cut', '80'),
  refused('field 0', '0001'),
  refused('wire type 6', '1e'),
  refused('wire type 7', '1f'),
  refused('an unknown varint that is cut', '18ff'),
  refused('an unknown varint that never ends', `18${'ff'.repeat(30)}`),
  refused('an unknown 64-bit field that is cut', '1900000000000000'),
  refused('an unknown 32-bit field that is cut', '1d000000'),
  refused('unknown bytes that end after it', '1a0561'),
  refused('unknown bytes of 2^32 - 1', '1affffffff0f'),
  refused('a group that never ends', '1b'),
  refused('a group that ends as another', '1b24'),
  refused('the end of a group that never began', '1c'),
  fine('an unknown varint', '1801'),
  fine('an unknown 64-bit field', '190000000000000000'),
  fine('an unknown 32-bit field', '1d00000000'),
  fine('unknown bytes', '1a0161'),
  fine('an unknown group', '1b1c'),
  fine('an unknown field of the largest number', 'f8ffffff0f01'),
  fine('a field twice', '12016112016212'.slice(0, 12)),
  fine(`a tree of ${DEPTH + 1} messages`, tree(DEPTH + 1)),
  refused(`a tree of ${DEPTH + 2} messages`, tree(DEPTH + 2), 'protobuf-depth'),
  refused('a tree of 1,000 messages', tree(1_000), 'protobuf-depth'),
  refused('unknown groups 1,000 deep', hex('1b'.repeat(1_000) + '1c'.repeat(1_000)), 'protobuf-depth'),
  refused('unknown groups 60,000 deep', hex('1b'.repeat(60_000)), 'protobuf-depth'),
]
