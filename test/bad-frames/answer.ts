import { FLAG, KIND } from '../../src/wire/frame.js'
import { answerFrame, errorFrame, frame, MSGPACK, packed } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, MAX_U32, toClient } from './bad-frame.js'

const UNKNOWN = { ends: 'answer-unknown' } as const
const NOT_AGREED = { fails: 'codec-not-agreed' } as const

/** An answer to a call of ours, with these flags and this body. */
function answering(flags: number, body: Buffer, method: 'echo' | 'tree' | 'bytes' = 'echo'): BadFrame['says'] {
  return async (scene) => frame(KIND.ANSWER, { flags, id: await scene.pending(method), body })
}

export const answers: readonly BadFrame[] = [
  ...[0, 1, 2, 0x7fff_ffff, 2 ** 31, MAX_U32].flatMap((id) => [
    bad(`an answer to ${id}, which nobody asked`, answerFrame(id, null), UNKNOWN),
    bad(`an error for ${id}, which nobody asked`, errorFrame(id, 'no'), UNKNOWN),
  ]),
  toClient(
    'a second answer',
    async (scene) => {
      const id = await scene.pending()
      return Buffer.concat([answerFrame(id, null), answerFrame(id, null)])
    },
    UNKNOWN,
  ),
  toClient(
    'an error behind the answer',
    async (scene) => {
      const id = await scene.pending()
      return Buffer.concat([answerFrame(id, null), errorFrame(id, 'no')])
    },
    UNKNOWN,
  ),
  toClient(
    'an answer behind the error',
    async (scene) => {
      const id = await scene.pending()
      return Buffer.concat([errorFrame(id, 'no'), answerFrame(id, null)])
    },
    UNKNOWN,
  ),
  toClient('an answer to the next call', async (scene) => answerFrame((await scene.pending()) + 1, null), UNKNOWN),
  toClient('an answer to the call before', async (scene) => answerFrame((await scene.pending()) - 1, null), UNKNOWN),
  toClient(
    'an answer a lap of the table later',
    async (scene) => answerFrame((await scene.pending()) + 16, null),
    UNKNOWN,
  ),
  toClient('an answer without a body', answering(MSGPACK, Buffer.alloc(0)), 'goes on'),
  toClient('an answer in raw bytes', answering(0, packed(1)), NOT_AGREED),
  toClient('an answer in protobuf', answering(2, Buffer.alloc(0)), NOT_AGREED),
  toClient('an answer in a codec of tomorrow', answering(7, packed(1)), NOT_AGREED),
  toClient('msgpack for a caller of protobuf', answering(MSGPACK, packed(1), 'tree'), NOT_AGREED),
  toClient('msgpack for a caller of raw bytes', answering(MSGPACK, packed(1), 'bytes'), NOT_AGREED),
  toClient(
    'an answer with a method number',
    async (scene) => {
      return frame(KIND.ANSWER, { flags: MSGPACK, aux: 0xffff, id: await scene.pending(), body: packed(1) })
    },
    'goes on',
  ),
  toClient('an answer in another lane', answering(MSGPACK | (3 << FLAG.LANE_SHIFT), packed(1)), 'goes on'),
  toClient(
    'an answer with metadata',
    answering(MSGPACK | FLAG.METADATA, Buffer.concat([Buffer.of(0, 0), packed(1)])),
    'goes on',
  ),
  toClient('an answer of nothing where metadata should be', answering(MSGPACK | FLAG.METADATA, Buffer.alloc(0)), {
    ends: 'frame-malformed',
  }),
  toClient('an answer whose metadata ends after it', answering(MSGPACK | FLAG.METADATA, Buffer.of(1, 0)), {
    ends: 'frame-malformed',
  }),
  toClient('the last part of an answer without a first', answering(MSGPACK | FLAG.MORE, packed(1)), {
    ends: 'part-invalid',
  }),
]
