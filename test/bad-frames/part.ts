import { FLAG, KIND } from '../../src/wire/frame.js'
import { type FrameParts, frame, MSGPACK, packed, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, MAX_U32, toClient, toServer } from './bad-frame.js'
import { LIMITS, METHODS } from './target.js'

const INVALID = { ends: 'part-invalid' } as const
const MALFORMED = { ends: 'frame-malformed' } as const
const LAST = MSGPACK | FLAG.MORE
const NORMAL = 1

/** The most that a body may have: a message, metadata, and what stands in front of both. */
const MOST = LIMITS.maxMessageBytes + 8 * 1024 + 6

const inLane = (lane: number): number => lane << FLAG.LANE_SHIFT

function part(body: Buffer, lane = NORMAL): Buffer {
  return frame(KIND.PART, { flags: inLane(lane), body })
}

/** The first part of a message of so many bytes, with these of them. */
function begun(total: number, bytes: Buffer, lane = NORMAL): Buffer {
  return part(Buffer.concat([u32(total), bytes]), lane)
}

/** The last part of a one-way message, which says what it is. */
function last(bytes: Buffer, lane = NORMAL, parts: FrameParts = {}): Buffer {
  return frame(KIND.ONE_WAY, { flags: LAST | inLane(lane), aux: METHODS.note[0], body: bytes, ...parts })
}

const BODY = packed('a message in parts')
const [ONE, TWO, THREE] = [BODY.subarray(0, 7), BODY.subarray(7, 8), BODY.subarray(8)] as const
const TAKEN = { server: 'goes on', client: { drops: 'method-unknown' } } as const

const NEVER_IN_PARTS = [
  'METHOD',
  'ERROR',
  'CANCEL',
  'ACK',
  'NACK',
  'PING',
  'PONG',
  'GO_AWAY',
  'STREAM_END',
  'STREAM_RESET',
  'CREDIT',
  'PART',
  'HELLO',
] as const

export const parts: readonly BadFrame[] = [
  bad('a message in three parts', Buffer.concat([begun(BODY.length, ONE), part(TWO), last(THREE)]), TAKEN),
  bad('a message whose last part is empty', Buffer.concat([begun(BODY.length, BODY), last(Buffer.alloc(0))]), TAKEN),
  bad('a message that is taken back', Buffer.concat([begun(BODY.length, ONE), part(Buffer.alloc(0))]), 'goes on'),
  bad(
    'a message after one that was taken back',
    Buffer.concat([begun(9, ONE), part(Buffer.alloc(0)), begun(BODY.length, ONE), part(TWO), last(THREE)]),
    TAKEN,
  ),
  ...[0, 1, 2, 3, 4].map((length) => bad(`a first part of ${length} bytes`, part(Buffer.alloc(length)), INVALID)),
  bad('a total of nothing', begun(0, Buffer.of(1)), INVALID),
  bad('a total that the first part is over', begun(1, Buffer.of(1, 2)), INVALID),
  bad('the largest total', begun(MOST, Buffer.of(1)), 'goes on'),
  bad('a total too large by a byte', begun(MOST + 1, Buffer.of(1)), INVALID),
  ...[2 ** 31 - 1, 2 ** 31, MAX_U32].map((total) => bad(`a total of ${total}`, begun(total, Buffer.of(1)), INVALID)),
  bad(
    'the largest total in each lane',
    Buffer.concat([0, 1, 2, 3].map((lane) => begun(MOST, Buffer.of(1), lane))),
    'goes on',
  ),
  bad(
    'a second part that is over the total',
    Buffer.concat([begun(BODY.length, ONE), part(Buffer.alloc(20))]),
    INVALID,
  ),
  bad('a last part that is over the total', Buffer.concat([begun(BODY.length, ONE), last(Buffer.alloc(20))]), INVALID),
  bad('a last part that comes short', Buffer.concat([begun(BODY.length, ONE), last(TWO)]), INVALID),
  bad(
    'a last part that comes short by a byte',
    Buffer.concat([begun(BODY.length + 1, ONE), part(TWO), last(THREE)]),
    INVALID,
  ),
  bad('a last part without a first', last(BODY), INVALID),
  bad('a last part again', Buffer.concat([begun(BODY.length, ONE), part(TWO), last(THREE), last(THREE)]), {
    server: INVALID,
    client: { ...INVALID, also: { 'method-unknown': 1 } },
  }),
  bad(
    'a last part of a message that was taken back',
    Buffer.concat([begun(9, ONE), part(Buffer.alloc(0)), last(TWO)]),
    INVALID,
  ),
  bad('a last part in another lane', Buffer.concat([begun(BODY.length, ONE), last(TWO, 2)]), INVALID),
  bad('a first part without an end, and a message beside it', Buffer.concat([begun(100, ONE), whole()]), TAKEN),
  bad(
    'messages in two lanes at once',
    Buffer.concat([
      begun(BODY.length, ONE, 0),
      begun(BODY.length, ONE, 3),
      part(TWO, 3),
      part(TWO, 0),
      last(THREE, 0),
      last(THREE, 3),
    ]),
    { server: 'goes on', client: { drops: 'method-unknown', times: 2 } },
  ),
  bad(
    'control frames between parts',
    Buffer.concat([begun(BODY.length, ONE), frame(KIND.PING), part(TWO), frame(0x80), last(THREE)]),
    TAKEN,
  ),
  ...NEVER_IN_PARTS.map((name) => {
    const frames = [begun(BODY.length, BODY), frame(KIND[name], { flags: inLane(NORMAL) | FLAG.MORE, aux: 1 })]
    return bad(`a ${name} as the last part`, Buffer.concat(frames), MALFORMED)
  }),
  bad('an unknown kind as the last part', frame(0x16, { flags: FLAG.MORE }), MALFORMED),
  bad(
    'an optional kind as the last part',
    Buffer.concat([begun(9, ONE), frame(0x80, { flags: FLAG.MORE })]),
    'goes on',
  ),
  bad(
    'a call in parts without its deadline',
    (scene) => {
      const call = frame(KIND.CALL, { flags: LAST | inLane(NORMAL), aux: 1, id: scene.nextId(), body: Buffer.of(0) })
      return Buffer.concat([begun(3, Buffer.alloc(2)), call])
    },
    MALFORMED,
  ),
  toServer(
    'a call in parts',
    (scene) => {
      const call = frame(KIND.CALL, { flags: LAST | inLane(NORMAL), aux: 1, id: scene.nextId(), body: packed(1) })
      return Buffer.concat([begun(5, u32(0)), call])
    },
    'goes on',
  ),
  toClient(
    'an answer in parts',
    async (scene) => {
      const id = await scene.pending()
      return Buffer.concat([
        begun(BODY.length, ONE),
        part(TWO),
        frame(KIND.ANSWER, { flags: LAST | inLane(NORMAL), id, body: THREE }),
      ])
    },
    'goes on',
  ),
  toClient(
    'an answer in parts that nobody asked for',
    () => {
      return Buffer.concat([begun(BODY.length, BODY), frame(KIND.ANSWER, { flags: LAST | inLane(NORMAL), id: 77 })])
    },
    { ends: 'answer-unknown' },
  ),
  bad(
    'a batch in parts that is none',
    () => {
      const end = frame(KIND.BATCH, { flags: LAST | inLane(NORMAL), aux: METHODS.note[0], body: Buffer.of(0xff) })
      return Buffer.concat([begun(8, Buffer.alloc(7, 0xff)), end])
    },
    MALFORMED,
  ),
  bad('a message in parts that is no msgpack', Buffer.concat([begun(2, Buffer.of(0xc1)), last(Buffer.of(0xc1))]), {
    server: { drops: 'msgpack-malformed' },
    client: { drops: 'method-unknown' },
  }),
  bad(
    'a message in parts whose metadata ends after it',
    Buffer.concat([
      begun(2, Buffer.of(9)),
      last(Buffer.of(0), NORMAL, { flags: LAST | inLane(NORMAL) | FLAG.METADATA }),
    ]),
    MALFORMED,
  ),
  bad(
    'a message in parts with an id that does not rise',
    Buffer.concat([begun(BODY.length, BODY), last(Buffer.alloc(0), NORMAL, { id: 2 ** 31 })]),
    { ends: 'message-id-invalid' },
  ),
  bad(
    'a compressed message in parts that has no claim',
    Buffer.concat([
      begun(2, Buffer.of(9)),
      last(Buffer.of(0), NORMAL, { flags: LAST | inLane(NORMAL) | FLAG.COMPRESSED }),
    ]),
    { ends: 'lz4-malformed' },
  ),
  bad('a peer that hangs up between parts', begun(MOST, BODY), 'lost'),
  bad('a peer that hangs up within a part', part(Buffer.alloc(50_000)).subarray(0, 20_000), 'lost'),
]

function whole(): Buffer {
  return frame(KIND.ONE_WAY, { flags: MSGPACK, aux: METHODS.note[0], body: BODY })
}
