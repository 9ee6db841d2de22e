import { FLAG, KIND } from '../../src/wire/frame.js'
import { frame, MSGPACK, packed, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, beginnings, MAX_U32, type Outcome, toServer } from './bad-frame.js'
import type { Scene } from './scene.js'
import { afterOver, feed, first, NOTHING, open, say } from './stream-frames.js'
import { LIMITS } from './target.js'

const BAD_ID = { ends: 'stream-id-invalid' } as const
const MALFORMED = { ends: 'frame-malformed' } as const

/** Of a server; a client serves nothing. */
function served(outcome: Outcome): { server: Outcome; client: Outcome } {
  return { server: outcome, client: { refuses: 'method-unknown' } }
}

export const opens: readonly BadFrame[] = [
  ...beginnings(u32(0)).map((body) => {
    return bad(
      `of ${body.length} bytes`,
      (scene) => frame(KIND.STREAM_OPEN, { aux: 7, id: first(scene), body }),
      MALFORMED,
    )
  }),
  bad('of stream 0', () => open(0, 'feed'), BAD_ID),
  bad('of a stream that is for our end to open', (scene) => open(scene.ours(), 'feed'), BAD_ID),
  bad('of the last stream that is for our end to open', (scene) => open(scene.ours() + 0xffff_fffc, 'feed'), BAD_ID),
  toServer('of an open stream', say(feed, feed), BAD_ID),
  toServer('of a stream that is over', afterOver(feed), BAD_ID),
  toServer(
    'of a stream below the last',
    say((scene) => open(scene.theirs(3), 'feed'), feed),
    BAD_ID,
  ),
  toServer('of a stream that leaves some out', (scene) => open(scene.theirs(100), 'feed'), 'goes on'),
  bad('of a stream half the circle ahead', (scene) => open(first(scene) + 2 ** 31, 'nobody'), BAD_ID),
  bad('of the last stream first', (scene) => open(scene.role === 'server' ? MAX_U32 : MAX_U32 - 1, 'nobody'), BAD_ID),
  bad('of method 0', (scene) => frame(KIND.STREAM_OPEN, { flags: MSGPACK, id: first(scene), body: u32(0) }), {
    refuses: 'frame-malformed',
  }),
  bad(
    'of a method that was never introduced',
    (scene) => {
      return frame(KIND.STREAM_OPEN, { flags: MSGPACK, aux: 11, id: first(scene), body: u32(0) })
    },
    { refuses: 'frame-malformed' },
  ),
  bad('of a method that nobody handles', (scene) => open(first(scene), 'nobody'), { refuses: 'method-unknown' }),
  bad('of a method that answers', (scene) => open(first(scene), 'echo'), { refuses: 'method-unknown' }),
  bad('of a one-way method', (scene) => open(first(scene), 'note'), { refuses: 'method-unknown' }),
  bad('in raw bytes', (scene) => open(first(scene), 'list', NOTHING, 0), served({ refuses: 'codec-not-agreed' })),
  bad(
    'in a codec of tomorrow',
    (scene) => open(first(scene), 'feed', NOTHING, 7),
    served({ refuses: 'codec-not-agreed' }),
  ),
  bad(
    'of a client stream with a request',
    (scene) => open(first(scene), 'feed', packed(1)),
    served({ refuses: 'frame-malformed' }),
  ),
  bad(
    'of a duplex stream with a request',
    (scene) => open(first(scene), 'sync', packed(1)),
    served({ refuses: 'frame-malformed' }),
  ),
  bad(
    'with a request that is no msgpack',
    (scene) => open(first(scene), 'list', Buffer.of(0xc1)),
    served({ refuses: 'msgpack-malformed' }),
  ),
  bad('that is a last part without a first', (scene) => open(first(scene), 'list', NOTHING, FLAG.MORE), {
    ends: 'part-invalid',
  }),
  toServer('as often as may be', (scene) => opened(scene, LIMITS.maxStreams), 'goes on'),
  toServer('once more than may be', (scene) => opened(scene, LIMITS.maxStreams + 1), { refuses: 'too-many-streams' }),
  bad(
    'from a peer that knows of none',
    (scene) => open(first(scene), 'feed'),
    { ends: 'frame-unexpected' },
    { features: 0, flow: null },
  ),
]

function opened(scene: Scene, count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, nth) => open(scene.theirs(nth), 'feed')))
}
