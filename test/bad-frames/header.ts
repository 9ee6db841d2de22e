import { KIND } from '../../src/wire/frame.js'
import { frame, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, MAX_U32 } from './bad-frame.js'
import { LIMITS } from './target.js'

const TOO_SMALL = { ends: 'frame-too-small' } as const
const TOO_LARGE = { ends: 'frame-too-large' } as const
const PING = frame(KIND.PING, { id: 7 })
const { maxFrameBytes } = LIMITS

/** A frame with this length in front, and as many bytes behind as a header has. */
function saying(length: number, kind: number = KIND.PING): Buffer {
  return Buffer.concat([u32(length), Buffer.of(kind), Buffer.alloc(7)])
}

/** An optional frame that is this long. */
function skipped(length: number): Buffer {
  return frame(0x80, { body: Buffer.alloc(length - 8) })
}

export const headers: readonly BadFrame[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((length) => [
    bad(`a length of ${length}`, saying(length), TOO_SMALL),
    bad(`a length of ${length}, and nothing behind it`, u32(length), TOO_SMALL),
  ]),
  bad('a length of 0, behind a good frame', Buffer.concat([PING, u32(0)]), TOO_SMALL),
  bad('six bytes that hang another library', u32(0).subarray(0, 4), TOO_SMALL),
  bad('the least length there is', saying(8), 'goes on'),
  bad('the largest length there may be', skipped(maxFrameBytes), 'goes on'),
  bad('a length over the limit by one', saying(maxFrameBytes + 1), TOO_LARGE),
  bad('a length over the limit by one, and nothing behind it', u32(maxFrameBytes + 1), TOO_LARGE),
  bad('a length over the limit by one, of an optional frame', saying(maxFrameBytes + 1, 0x80), TOO_LARGE),
  bad('a length over the limit by one, of a part', saying(maxFrameBytes + 1, KIND.PART), TOO_LARGE),
  ...[2 ** 24, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 8, MAX_U32 - 3, MAX_U32].map((length) => {
    return bad(`a length of ${length}`, saying(length), TOO_LARGE)
  }),
  bad('a length in the other byte order', Buffer.from('00000008', 'hex'), TOO_LARGE),
  bad('text where a length should be', Buffer.from('GET / HTTP/1.1\r\n\r\n'), TOO_LARGE),
  bad('our preface where a frame should be', Buffer.from('414c59530d0a0101', 'hex'), TOO_LARGE),
  bad('zeroes where a frame should be', Buffer.alloc(1_000), TOO_SMALL),
  bad(
    'a byte between two frames, which is a frame that does not end',
    Buffer.concat([PING, Buffer.of(0), PING]),
    'lost',
  ),
  bad(
    'a frame whose length leaves out its last byte',
    Buffer.concat([saying(8), Buffer.of(1), u32(0), u32(0)]),
    TOO_SMALL,
  ),
  bad('a frame whose length counts itself', Buffer.concat([saying(12), PING, PING]), {
    ...TOO_LARGE,
    also: { 'frame-malformed': 1 },
  }),
  ...Array.from({ length: 11 }, (_, index) => {
    return bad(`a peer that hangs up after ${index + 1} bytes of a header`, PING.subarray(0, index + 1), 'lost')
  }),
  bad('a peer that hangs up behind a header', saying(9), 'lost'),
  bad('a peer that hangs up within a small body', skipped(1_000).subarray(0, 500), 'lost'),
  bad('a peer that hangs up within a large body', skipped(60_000).subarray(0, 30_000), 'lost'),
  bad('a peer that hangs up before the last byte of a large body', skipped(60_000).subarray(0, -1), 'lost'),
  bad('a peer that hangs up between two frames', PING, 'lost'),
]
