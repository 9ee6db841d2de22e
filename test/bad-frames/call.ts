import { FLAG, KIND } from '../../src/wire/frame.js'
import { frame, MSGPACK, packed, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, beginnings, MAX_U32, type Outcome, toServer } from './bad-frame.js'
import type { Scene } from './scene.js'
import { LIMITS } from './target.js'

const MALFORMED = { ends: 'frame-malformed' } as const
const BAD_ID = { ends: 'call-id-invalid' } as const
const RAW = 0
const PROTOBUF = 2

/** A client of ours serves nothing: whatever is called, nobody handles it. */
function refused(reason: 'method-unknown' | 'codec-not-agreed' | 'frame-malformed'): {
  server: Outcome
  client: Outcome
} {
  return { server: { refuses: reason }, client: { refuses: 'method-unknown' } }
}

/** Ids are admitted before anything else, whoever would serve them. Each of these calls is refused. */
function ids(...all: readonly number[]): BadFrame['says'] {
  return (scene) => Buffer.concat(all.map((id) => scene.call('nobody', undefined, { id })))
}

const noMethod = (number: number): BadFrame['says'] => {
  return (scene) => frame(KIND.CALL, { flags: MSGPACK, aux: number, id: scene.nextId(), body: u32(0) })
}

/** So many calls that stay open. */
function holding(count: number): (scene: Scene) => Buffer {
  return (scene) => Buffer.concat(Array.from({ length: count }, () => scene.call('hold')))
}

/** The modulus of open ids: twice the limit, which is a power of two. */
const MODULUS = LIMITS.maxOpenCalls * 2

export const calls: readonly BadFrame[] = [
  ...beginnings(u32(0)).map((body) => {
    return bad(`a body of ${body.length} bytes`, frame(KIND.CALL, { flags: MSGPACK, aux: 1, id: 1, body }), MALFORMED)
  }),
  bad('no payload', (scene) => scene.call('echo', Buffer.alloc(0)), {
    server: 'goes on',
    client: { refuses: 'method-unknown' },
  }),
  bad('id 0', ids(0), BAD_ID),
  toServer(
    'an id again, after its answer',
    (scene) => Buffer.concat([scene.call('echo'), scene.call('echo', undefined, { id: 1 })]),
    BAD_ID,
  ),
  toServer(
    'an id again, while it is open',
    (scene) => Buffer.concat([scene.call('hold'), scene.call('echo', undefined, { id: 1 })]),
    BAD_ID,
  ),
  toServer(
    'an id below the last',
    (scene) => Buffer.concat([scene.call('echo', undefined, { id: 9 }), scene.call('echo', undefined, { id: 8 })]),
    BAD_ID,
  ),
  toServer(
    'an id half the circle ahead',
    (scene) => {
      return Buffer.concat([
        scene.call('echo', undefined, { id: 5 }),
        scene.call('echo', undefined, { id: 5 + 2 ** 31 }),
      ])
    },
    BAD_ID,
  ),
  bad('2^31 as the first id', ids(2 ** 31), BAD_ID),
  bad('2^32 - 1 as the first id', ids(MAX_U32), BAD_ID),
  toServer(
    'ids once around the circle',
    (scene) => {
      const around = [0x7fff_ffff, 0xffff_fffe].map((id) => scene.call('echo', undefined, { id }))
      return Buffer.concat(around)
    },
    'goes on',
  ),
  toServer(
    '0 when ids have come around',
    (scene) => {
      return Buffer.concat([0x7fff_ffff, 0xffff_fffe, 0].map((id) => scene.call('echo', undefined, { id })))
    },
    BAD_ID,
  ),
  toServer(
    'an id that meets an open one',
    (scene) => {
      return Buffer.concat([scene.call('hold'), scene.call('echo', undefined, { id: 1 + MODULUS })])
    },
    BAD_ID,
  ),
  toServer('as many open calls as may be', holding(LIMITS.maxOpenCalls - 1), 'goes on'),
  toServer(
    'an open call too many',
    (scene) => Buffer.concat([holding(LIMITS.maxOpenCalls + 1)(scene), frame(KIND.CANCEL, { aux: 1, id: 1 })]),
    { refuses: 'too-many-open-calls' },
  ),
  bad('method 0', noMethod(0), { refuses: 'frame-malformed' }),
  bad('a method that was never introduced', noMethod(11), { refuses: 'frame-malformed' }),
  bad('the largest method', noMethod(0xffff), { refuses: 'frame-malformed' }),
  bad('a method that nobody handles', (scene) => scene.call('nobody'), { refuses: 'method-unknown' }),
  bad('a one-way method', (scene) => scene.call('note'), { refuses: 'method-unknown' }),
  bad('a stream of the server', (scene) => scene.call('list'), { refuses: 'method-unknown' }),
  bad('a stream of the client', (scene) => scene.call('feed'), { refuses: 'method-unknown' }),
  bad('a duplex stream', (scene) => scene.call('sync'), { refuses: 'method-unknown' }),
  bad(
    'raw bytes where msgpack is expected',
    (scene) => scene.call('echo', undefined, { flags: RAW }),
    refused('codec-not-agreed'),
  ),
  bad(
    'protobuf where msgpack is expected',
    (scene) => scene.call('echo', undefined, { flags: PROTOBUF }),
    refused('codec-not-agreed'),
  ),
  bad('msgpack where protobuf is expected', (scene) => scene.call('tree'), refused('codec-not-agreed')),
  bad('msgpack where raw bytes are expected', (scene) => scene.call('bytes'), refused('codec-not-agreed')),
  ...[3, 4, 5, 6, 7].map((codec) => {
    return bad(
      `codec ${codec}`,
      (scene) => scene.call('echo', undefined, { flags: codec }),
      refused('codec-not-agreed'),
    )
  }),
  ...[0, 1, 2, 3].map((lane) => {
    const flags = MSGPACK | (lane << FLAG.LANE_SHIFT)
    return toServer(`lane ${lane}`, (scene) => scene.call('echo', packed('urgent'), { flags }), 'goes on')
  }),
  toServer('the longest timeout', (scene) => scene.call('echo', undefined, { timeoutMs: MAX_U32 }), 'goes on'),
  toServer('a timeout of 2^31', (scene) => scene.call('hold', undefined, { timeoutMs: 2 ** 31 }), 'goes on'),
  toServer('a timeout of a millisecond', (scene) => scene.call('echo', undefined, { timeoutMs: 1 }), 'goes on'),
  bad('a last part without a first', (scene) => scene.call('echo', undefined, { flags: MSGPACK | FLAG.MORE }), {
    ends: 'part-invalid',
  }),
]
