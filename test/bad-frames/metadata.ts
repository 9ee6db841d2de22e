import type { Reason } from '../../src/base/errors.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { frame, MSGPACK, packed, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, hex, type Outcome, toClient, u16 } from './bad-frame.js'
import { METHODS } from './target.js'

const FLAGS = MSGPACK | FLAG.METADATA
const MALFORMED = { ends: 'frame-malformed' } as const
const MOST_ENTRIES = 64
const MOST_BYTES = 8 * 1024

export function entry(key: string | Buffer, value: string | Buffer): Buffer {
  const keyBytes = Buffer.from(key)
  const valueBytes = Buffer.from(value)
  return Buffer.concat([Buffer.of(keyBytes.length), keyBytes, u16(valueBytes.length), valueBytes])
}

export function block(...entries: readonly Buffer[]): Buffer {
  const body = Buffer.concat(entries)
  return Buffer.concat([u16(body.length), body])
}

/** Blocks that no receiver takes, and why. */
const UNUSABLE: readonly (readonly [string, Buffer, Reason])[] = [
  ['half an entry', block(hex('03')), 'metadata-malformed'],
  ['an entry that is only a key', block(hex('0161')), 'metadata-malformed'],
  ['an entry with half the length of its value', block(hex('016101')), 'metadata-malformed'],
  ['a key that ends after it', block(hex('ff61')), 'metadata-malformed'],
  ['a value that ends after it', block(hex('0161020062')), 'metadata-malformed'],
  ['a value of 65,535 bytes that are not there', block(hex('0161ffff62')), 'metadata-malformed'],
  ['a byte behind an entry', block(entry('a', 'b'), hex('00')), 'metadata-malformed'],
  ['two bytes behind an entry', block(entry('a', 'b'), hex('0000')), 'metadata-malformed'],
  ['an empty key', block(entry('', 'b')), 'metadata-malformed'],
  ['a key of 129 bytes', block(entry('k'.repeat(129), 'v')), 'metadata-malformed'],
  ['a key of 255 bytes', block(entry('k'.repeat(255), 'v')), 'metadata-malformed'],
  ['a key in capitals', block(entry('Trace', 'v')), 'metadata-malformed'],
  ['a key with a space', block(entry('a b', 'v')), 'metadata-malformed'],
  ['a key with a zero', block(entry('a\0', 'v')), 'metadata-malformed'],
  ['a key with a line end', block(entry('a\n', 'v')), 'metadata-malformed'],
  ['a key beyond ASCII', block(entry(hex('c3a9'), 'v')), 'metadata-malformed'],
  ['an entry too many', block(...numbered(MOST_ENTRIES + 1)), 'metadata-entries'],
  ['a byte too many', block(entry('k', 'v'.repeat(MOST_BYTES - 3))), 'metadata-bytes'],
  ['60,000 bytes', block(entry('k', 'v'.repeat(60_000))), 'metadata-bytes'],
]

const USABLE: readonly (readonly [string, Buffer])[] = [
  ['no entry', block()],
  ['an entry without a value', block(entry('k', ''))],
  ['a key of 128 bytes', block(entry('k'.repeat(128), 'v'))],
  ['a key twice', block(entry('k', 'a'), entry('k', 'b'))],
  ['the key __proto__', block(entry('__proto__', 'v'))],
  ['the key constructor', block(entry('constructor', 'v'))],
  ['a value that is not UTF-8', block(entry('k', hex('fffe')))],
  ['as many entries as may be', block(...numbered(MOST_ENTRIES))],
  ['as many bytes as may be', block(entry('k', 'v'.repeat(MOST_BYTES - 4)))],
]

function numbered(count: number): readonly Buffer[] {
  return Array.from({ length: count }, (_, index) => entry(`k${index}`, 'v'))
}

/** Of a server; a client serves nothing, and says so before it reads metadata. */
function serving(outcome: Outcome): { server: Outcome; client: Outcome } {
  return { server: outcome, client: { refuses: 'method-unknown' } }
}

function calling(metadata: Buffer): BadFrame['says'] {
  return (scene) => scene.call('echo', Buffer.concat([metadata, packed(1)]), { flags: FLAGS })
}

function sending(metadata: Buffer): Buffer {
  return frame(KIND.ONE_WAY, { flags: FLAGS, aux: METHODS.note[0], body: Buffer.concat([metadata, packed(1)]) })
}

function opening(metadata: Buffer): BadFrame['says'] {
  return (scene) => {
    const body = Buffer.concat([u32(0), metadata])
    return frame(KIND.STREAM_OPEN, { flags: FLAGS, aux: METHODS.feed[0], id: scene.theirs(), body })
  }
}

/** At the end of a stream of ours. */
function ending(metadata: Buffer): BadFrame['says'] {
  return async (scene) => frame(KIND.STREAM_END, { id: await scene.draining(), body: metadata })
}

/** What does not say its own length, wherever it stands. */
const UNMEASURED: readonly (readonly [string, Buffer])[] = [
  ['no length', Buffer.alloc(0)],
  ['half a length', hex('00')],
  ['a length of a byte that is not there', hex('0100')],
  ['a length of 65,535 bytes that are not there', hex('ffff61')],
]

export const metadatas: readonly BadFrame[] = [
  ...UNMEASURED.flatMap(([name, bytes]) => [
    bad(`a call with ${name}`, (scene) => scene.call('echo', bytes, { flags: FLAGS }), MALFORMED),
    bad(`a message with ${name}`, frame(KIND.ONE_WAY, { flags: FLAGS, aux: METHODS.note[0], body: bytes }), MALFORMED),
    bad(`an open with ${name}`, opening(bytes), MALFORMED),
    ...(bytes.length === 0 ? [] : [toClient(`an end with ${name}`, ending(bytes), MALFORMED)]),
  ]),
  toClient(
    'an end with a byte behind its metadata',
    ending(Buffer.concat([block(entry('a', 'b')), hex('00')])),
    MALFORMED,
  ),
  ...UNUSABLE.flatMap(([name, bytes, reason]) => [
    bad(`a call with ${name}`, calling(bytes), serving({ refuses: reason })),
    bad(`a message with ${name}`, sending(bytes), { server: { drops: reason }, client: { drops: 'method-unknown' } }),
    bad(`an open with ${name}`, opening(bytes), serving({ refuses: reason })),
    toClient(`an end with ${name}`, ending(bytes), { fails: reason }),
  ]),
  ...USABLE.flatMap(([name, bytes]) => [
    bad(`a call with ${name}`, calling(bytes), serving('goes on')),
    toClient(`an end with ${name}`, ending(bytes), 'goes on'),
  ]),
]
