import type { Reason } from '../../src/base/errors.js'
import { packed } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, beginnings, hex, unusable } from './bad-frame.js'
import { LIMITS } from './target.js'

/** A payload in a call of the hostile peer, and in its answer to a call of ours. */
function refused(name: string, payload: string | Buffer, reason: Reason): BadFrame {
  const bytes = typeof payload === 'string' ? hex(payload) : payload
  return bad(name, (scene) => scene.deliver(bytes), unusable(reason))
}

function fine(name: string, payload: string | Buffer): BadFrame {
  const bytes = typeof payload === 'string' ? hex(payload) : payload
  return bad(name, (scene) => scene.deliver(bytes), 'goes on')
}

const cut = (name: string, payload: string): BadFrame => refused(name, payload, 'msgpack-malformed')
const badKey = (name: string, payload: string): BadFrame => refused(name, payload, 'msgpack-key')
const extension = (name: string, payload: string): BadFrame => refused(name, payload, 'msgpack-extension')

const DEPTH = 32
const RECORD = packed({ id: 7, name: 'a record', parts: [1, 2.5, null, true], at: new Date(0), bytes: Buffer.of(1, 2) })

function nested(levels: number, head: string, end: string): string {
  return head.repeat(levels) + end
}

function text(word: string): string {
  return Buffer.from(word).toString('hex')
}

export const msgpacks: readonly BadFrame[] = [
  ...beginnings(RECORD)
    .slice(1)
    .map((bytes) => cut(`a record cut after ${bytes.length} bytes`, bytes.toString('hex'))),
  cut('the byte that means nothing', 'c1'),
  cut('a value and a byte', 'c000'),
  cut('two values', '0102'),
  cut('a record and a byte', `${RECORD.toString('hex')}c0`),
  cut('a string without its bytes', 'a1'),
  cut('a string that ends a byte later', 'a26f'),
  cut('a string of 31 that are not there', 'bf'),
  cut('a str8 without a length', 'd9'),
  cut('a str8 of 255', 'd9ff61'),
  cut('a str16 without a length', 'da00'),
  cut('a str16 of 65,535', 'daffff61'),
  cut('a str32 without a length', 'db000000'),
  cut('a str32 of 2^31', 'db8000000061'),
  cut('a str32 of 2^32 - 1', 'dbffffffff61'),
  cut('a bin8 without a length', 'c4'),
  cut('a bin8 of 255', 'c4ff61'),
  cut('a bin16 of 65,535', 'c5ffff61'),
  cut('a bin32 of 2^31', 'c68000000061'),
  cut('a bin32 of 2^32 - 1', 'c6ffffffff61'),
  cut('an array without its value', '91'),
  cut('an array of 15 that are not there', '9f00'),
  cut('an array16 without a length', 'dc00'),
  cut('an array16 of 999 that are not there', 'dc03e700'),
  refused('an array16 of 65,535', 'dcffff00', 'msgpack-nodes'),
  refused('an array32 of 2^31', 'dd8000000000', 'msgpack-nodes'),
  refused('an array32 of 2^32 - 1', 'ddffffffff00', 'msgpack-nodes'),
  cut('a map without its key', '81'),
  cut('a map without its value', `81a1${text('k')}`),
  cut('a map16 without a length', 'de00'),
  cut('a map16 of 100 that are not there', 'de006400'),
  refused('a map16 of 65,535', 'deffff00', 'msgpack-keys'),
  refused('a map32 of 2^31', 'df8000000000', 'msgpack-keys'),
  refused('a map32 of 2^32 - 1', 'dfffffffff00', 'msgpack-keys'),
  ...['ca000000', 'cb00000000000000', 'cc', 'cd00', 'ce000000', 'cf00000000000000', 'd0', 'd1ff', 'd2ffffff'].map(
    (payload) => cut(`a number that is cut: ${payload}`, payload),
  ),
  cut('a 64-bit number that is cut', 'd3ffffffffffffff'),
  extension('an extension of one byte', 'd40100'),
  extension('an extension of two bytes', 'd5010000'),
  extension('an extension of four bytes', 'd60100000000'),
  extension('an extension of eight bytes', 'd7010000000000000000'),
  extension('an extension of sixteen bytes', `d801${'00'.repeat(16)}`),
  extension('an ext8', 'c7010100'),
  extension('an ext16', 'c800010100'),
  extension('an ext32', 'c9000000010100'),
  extension('an ext32 of 2^32 - 1', 'c9ffffffff01'),
  extension('a record definition of another library', 'd47240'),
  cut('an ext8 without a type', 'c700'),
  cut('a timestamp of three bytes', 'c703ff000000'),
  cut('a timestamp that is cut', 'd6ff000000'),
  cut('a long timestamp that is cut', 'd7ff00000000'),
  cut('a timestamp with a billion nanoseconds', 'd7ffee6b280000000000'),
  cut('a timestamp with 2^32 - 1 nanoseconds', `c70cffffffffff${'00'.repeat(8)}`),
  cut('a timestamp beyond all time', `c70cff000000007${'f'.repeat(15)}`),
  cut('a timestamp before all time', `c70cff0000000080${'00'.repeat(7)}`),
  fine('the first timestamp', 'd6ff00000000'),
  badKey('a key of nil', '81c000'),
  badKey('a key of true', '81c300'),
  badKey('a key that is an array', '819000'),
  badKey('a key that is a map', '818000'),
  badKey('a key of bytes', '81c4016100'),
  badKey('a key that is a time', '81d6ff0000000000'),
  badKey('a key that is an extension', '81d4010000'),
  cut('a key of the byte that means nothing', '81a1'),
  badKey('the key 0xc1', '81c100'),
  ...['__proto__', 'constructor', 'prototype'].flatMap((name) => {
    const bytes = text(name)
    const length = (name.length + 0x100).toString(16).slice(1)
    return [
      badKey(`the key ${name}`, `81${(0xa0 | name.length).toString(16)}${bytes}01`),
      badKey(`the key ${name} as a str8`, `81d9${length}${bytes}01`),
      badKey(`the key ${name} as a str16`, `81da00${length}${bytes}01`),
      badKey(`the key ${name} as a str32`, `81db000000${length}${bytes}01`),
      badKey(`the key ${name} deep within`, `9181a16b81${(0xa0 | name.length).toString(16)}${bytes}01`),
      badKey(`the key ${name} for a map`, `81${(0xa0 | name.length).toString(16)}${bytes}81a16101`),
    ]
  }),
  fine('the value __proto__', `a9${text('__proto__')}`),
  fine('a number as a key', '810102'),
  fine('a fraction as a key', '81cb3ff800000000000002'),
  fine('the same key twice', '82a16b01a16b02'),
  fine('the empty key', '81a001'),
  fine('a string that is not UTF-8', 'a2c328'),
  fine('a string of half a surrogate', 'a3eda080'),
  fine('an empty map of the longest form', 'df00000000'),
  fine('an empty array of the longest form', 'dd00000000'),
  fine('NaN', 'cb7ff8000000000001'),
  fine(`arrays ${DEPTH} deep`, nested(DEPTH, '91', 'c0')),
  refused(`arrays ${DEPTH + 1} deep`, nested(DEPTH + 1, '91', 'c0'), 'msgpack-depth'),
  refused('arrays 50,000 deep', nested(50_000, '91', 'c0'), 'msgpack-depth'),
  refused('arrays 50,000 deep, without an end', nested(50_000, '91', ''), 'msgpack-depth'),
  refused('maps 10,000 deep', nested(10_000, '8100', 'c0'), 'msgpack-depth'),
  refused('arrays and maps 33 deep', nested(16, '918100', '91c0'), 'msgpack-depth'),
  refused(`an empty array ${DEPTH + 1} deep`, nested(DEPTH, '91', '90'), 'msgpack-depth'),
  fine('as many values as may be', packed(new Array(LIMITS.msgpackNodes - 1).fill(1))),
  refused('a value too many', packed(new Array(LIMITS.msgpackNodes).fill(1)), 'msgpack-nodes'),
  refused('a value too many in many arrays', `9f${'dc0043'.concat('01'.repeat(67)).repeat(15)}`, 'msgpack-nodes'),
  fine('as many keys as may be', packed(keys(LIMITS.msgpackKeys))),
  refused('a key too many', packed(keys(LIMITS.msgpackKeys + 1)), 'msgpack-keys'),
  refused('a hundred maps of a hundred keys', packed(new Array(100).fill(keys(100))), 'msgpack-nodes'),
]

function keys(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]))
}
