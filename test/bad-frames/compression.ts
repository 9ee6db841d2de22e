import { compressBlock } from '../../src/compression/lz4.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { frame, MSGPACK, packed, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, beginnings, MAX_U32, type Outcome } from './bad-frame.js'
import { fault } from './error.js'
import type { Scene } from './scene.js'
import { LIMITS, METHODS } from './target.js'

const COMPRESSED = MSGPACK | FLAG.COMPRESSED
const MALFORMED = { ends: 'lz4-malformed' } as const
const TOO_LARGE = { ends: 'lz4-claim-too-large' } as const
const TOO_SMALL = { ends: 'lz4-claim-too-small' } as const
const IMPLAUSIBLE = { ends: 'lz4-claim-implausible' } as const
const NOT_AGREED = { ends: 'compression-not-agreed' } as const
const { maxMessageBytes } = LIMITS

/** msgpack of exactly so many bytes, which compress well. */
function text(bytes: number): Buffer {
  return packed('x'.repeat(bytes - (bytes > 0xffff + 3 ? 5 : 3)))
}

/** An LZ4 block with another claim in front. */
function claiming(claim: number, block = compressBlock(text(2_000))): Buffer {
  return Buffer.concat([u32(claim), block.subarray(4)])
}

/** The body as a call of the hostile peer, or as its answer. */
function delivered(body: Buffer): BadFrame['says'] {
  return (scene) => scene.deliver(body, COMPRESSED)
}

const GOOD = compressBlock(text(2_000))

/** Frames with a payload that may be compressed, and what stands in front of it. */
const CARRIERS: readonly (readonly [string, (scene: Scene, block: Buffer) => Buffer])[] = [
  ['CALL', (scene, block) => scene.call('echo', block, { flags: COMPRESSED })],
  ['ONE_WAY', (_, body) => frame(KIND.ONE_WAY, { flags: COMPRESSED, aux: METHODS.note[0], body })],
  ['BATCH', (_, body) => frame(KIND.BATCH, { flags: COMPRESSED, aux: METHODS.note[0], body })],
  [
    'STREAM_OPEN',
    (scene, block) => {
      const body = Buffer.concat([u32(0), block])
      return frame(KIND.STREAM_OPEN, { flags: COMPRESSED, aux: METHODS.list[0], id: scene.theirs(), body })
    },
  ],
  ['STREAM_DATA', (scene, body) => frame(KIND.STREAM_DATA, { flags: COMPRESSED, id: scene.theirs(), body })],
  ['ANSWER', (_, body) => frame(KIND.ANSWER, { flags: COMPRESSED, id: 1, body })],
]

const CONTROL: readonly (readonly [string, number, Buffer])[] = [
  ['METHOD', KIND.METHOD, Buffer.from('more')],
  ['ERROR', KIND.ERROR, fault()],
  ['CANCEL', KIND.CANCEL, Buffer.alloc(0)],
  ['ACK', KIND.ACK, Buffer.alloc(8)],
  ['NACK', KIND.NACK, fault()],
  ['PING', KIND.PING, Buffer.alloc(0)],
  ['PONG', KIND.PONG, Buffer.alloc(0)],
  ['GO_AWAY', KIND.GO_AWAY, fault()],
  ['STREAM_END', KIND.STREAM_END, Buffer.alloc(0)],
  ['STREAM_RESET', KIND.STREAM_RESET, fault()],
  ['CREDIT', KIND.CREDIT, u32(1)],
  ['PART', KIND.PART, Buffer.alloc(8, 1)],
  ['frame of an unknown kind', 0x16, Buffer.alloc(0)],
]

function unreadable(reason: 'msgpack-malformed'): { server: Outcome; client: Outcome } {
  return { server: { refuses: reason }, client: { fails: reason } }
}

export const compressions: readonly BadFrame[] = [
  bad('a good block', delivered(GOOD), 'goes on'),
  ...beginnings(u32(2_000)).map((body) => bad(`a block of ${body.length} bytes`, delivered(body), MALFORMED)),
  bad('a claim and nothing else', delivered(u32(1_024)), IMPLAUSIBLE),
  bad('a claim of 0', delivered(claiming(0)), TOO_SMALL),
  bad('a claim of 0 and nothing else', delivered(u32(0)), TOO_SMALL),
  bad('a claim of 1,023, which is true', delivered(compressBlock(text(1_023))), TOO_SMALL),
  bad('a claim of 1,024, which is true', delivered(compressBlock(text(1_024))), 'goes on'),
  bad('a claim of all that a message may have', delivered(compressBlock(text(maxMessageBytes))), 'goes on'),
  bad('a claim of one byte more, which is true', delivered(compressBlock(text(maxMessageBytes + 1))), TOO_LARGE),
  bad('a claim of 2^31', delivered(claiming(2 ** 31)), TOO_LARGE),
  bad('a claim of 2^32 - 1 in six bytes', delivered(Buffer.concat([u32(MAX_U32), Buffer.alloc(2)])), TOO_LARGE),
  bad('a claim of 255 times the block', delivered(claiming(255 * 8, Buffer.alloc(8))), MALFORMED),
  bad('a claim of a byte over 255 times the block', delivered(claiming(255 * 8 + 1, Buffer.alloc(8))), IMPLAUSIBLE),
  bad('a claim of a byte less than there is', delivered(claiming(1_999)), MALFORMED),
  bad('a claim of a byte more than there is', delivered(claiming(2_001)), MALFORMED),
  bad('a claim of twice what there is', delivered(claiming(4_000)), MALFORMED),
  bad('a claim in the other byte order', delivered(claiming(0xd007_0000)), TOO_LARGE),
  bad('a block with a byte behind it', delivered(Buffer.concat([GOOD, Buffer.of(0)])), MALFORMED),
  bad('a block with bytes of another behind it', delivered(Buffer.concat([GOOD, GOOD.subarray(4)])), MALFORMED),
  ...[1, 2, 3, 5].map((count) => {
    return bad(`a block without its last ${count} bytes`, delivered(GOOD.subarray(0, -count)), MALFORMED)
  }),
  bad('zeroes', delivered(claiming(1_024, Buffer.alloc(104))), MALFORMED),
  bad('ones', delivered(claiming(1_024, Buffer.alloc(104, 0xff))), MALFORMED),
  bad(
    'a match before the beginning',
    delivered(claiming(1_024, Buffer.from(`00000000${'1f41ffff'.repeat(26)}`, 'hex'))),
    MALFORMED,
  ),
  bad(
    'a match at no distance',
    delivered(claiming(1_024, Buffer.from(`00000000${'1f410000'.repeat(26)}`, 'hex'))),
    MALFORMED,
  ),
  bad('literals that are not there', delivered(claiming(1_024, Buffer.from('00000000f0ffffff00', 'hex'))), MALFORMED),
  bad('a frame of the LZ4 tool', delivered(Buffer.from('04224d186440a7000000000005', 'hex')), TOO_LARGE),
  bad('what is no block at all', delivered(Buffer.from('not compressed at all, but long enough')), TOO_LARGE),
  bad(
    'a block that inflates to no msgpack',
    delivered(compressBlock(Buffer.alloc(2_000, 0xc1))),
    unreadable('msgpack-malformed'),
  ),
  bad(
    'a block in a block',
    delivered(compressBlock(Buffer.concat([GOOD, Buffer.alloc(2_000)]))),
    unreadable('msgpack-malformed'),
  ),
  ...CARRIERS.flatMap(([kind, carry]) => [
    bad(`a ${kind} that is compressed where that was not agreed`, (scene) => carry(scene, GOOD), NOT_AGREED, {
      compressions: 0,
    }),
    bad(`a ${kind} whose block has no claim`, (scene) => carry(scene, Buffer.of(1, 2, 3)), MALFORMED),
    bad(`a ${kind} whose claim is too large`, (scene) => carry(scene, claiming(MAX_U32)), TOO_LARGE),
    bad(`a ${kind} whose claim is a lie`, (scene) => carry(scene, claiming(2_001)), MALFORMED),
  ]),
  bad(
    'a batch that inflates to no messages',
    (scene) => {
      const [, carry] = CARRIERS[2] ?? ['', () => Buffer.alloc(0)]
      return carry(scene, compressBlock(Buffer.alloc(2_000, 0xff)))
    },
    { ends: 'frame-malformed' },
  ),
  ...CONTROL.map(([name, kind, body]) => {
    return bad(`a ${name} that is compressed`, frame(kind, { flags: FLAG.COMPRESSED, aux: 1, id: 1, body }), {
      ends: 'compression-forbidden',
    })
  }),
]
