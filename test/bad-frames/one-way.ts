import { FLAG, KIND } from '../../src/wire/frame.js'
import { type FrameParts, frame, MSGPACK, packed, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, MAX_U32, type Outcome } from './bad-frame.js'
import { METHODS } from './target.js'

const MALFORMED = { ends: 'frame-malformed' } as const
const [NOTE] = METHODS.note

function oneWay(parts: FrameParts = {}): Buffer {
  return frame(KIND.ONE_WAY, { flags: MSGPACK, aux: NOTE, body: packed('hello'), ...parts })
}

/** A batch with this body. */
function batch(body: Buffer, parts: FrameParts = {}): Buffer {
  return frame(KIND.BATCH, { flags: MSGPACK, aux: NOTE, body, ...parts })
}

/** Messages as a batch has them. */
function rows(...messages: readonly Buffer[]): Buffer {
  return Buffer.concat(messages.flatMap((message) => [u32(message.length), message]))
}

/** Dropped by a server for this reason, by a client because nobody handles it. */
function dropped(reason: 'codec-not-agreed' | 'msgpack-malformed', times = 1): { server: Outcome; client: Outcome } {
  return { server: { drops: reason, times }, client: { drops: 'method-unknown', times } }
}

/** Handled by a server. */
function taken(times = 1): { server: Outcome; client: Outcome } {
  return { server: 'goes on', client: { drops: 'method-unknown', times } }
}

const ONE = packed(1)

export const oneWays: readonly BadFrame[] = [
  bad('no body', oneWay({ body: Buffer.alloc(0) }), taken()),
  bad('method 0', oneWay({ aux: 0 }), { drops: 'frame-malformed' }),
  bad('a method that was never introduced', oneWay({ aux: 11 }), { drops: 'frame-malformed' }),
  bad('the largest method', oneWay({ aux: 0xffff }), { drops: 'frame-malformed' }),
  bad('a method that nobody handles', oneWay({ aux: METHODS.nobody[0] }), { drops: 'method-unknown' }),
  bad('a method that answers', oneWay({ aux: METHODS.echo[0] }), { drops: 'method-unknown' }),
  bad('a method that streams', oneWay({ aux: METHODS.feed[0] }), { drops: 'method-unknown' }),
  bad('raw bytes where msgpack is expected', oneWay({ flags: 0 }), dropped('codec-not-agreed')),
  bad('a codec of tomorrow', oneWay({ flags: 7 }), dropped('codec-not-agreed')),
  bad('a payload that is no msgpack', oneWay({ body: Buffer.of(0xc1) }), dropped('msgpack-malformed')),
  bad('a last part without a first', oneWay({ flags: MSGPACK | FLAG.MORE }), { ends: 'part-invalid' }),
]

export const batches: readonly BadFrame[] = [
  bad('without a message', batch(Buffer.alloc(0)), MALFORMED),
  ...[1, 2, 3].map((length) => bad(`of ${length} bytes`, batch(Buffer.alloc(length)), MALFORMED)),
  bad('whose message ends after it by a byte', batch(Buffer.concat([u32(2), ONE])), MALFORMED),
  bad('whose message has a length and no bytes', batch(u32(1)), MALFORMED),
  bad('whose message says 2^31', batch(Buffer.concat([u32(2 ** 31), ONE])), MALFORMED),
  bad('whose message says 2^32 - 1', batch(Buffer.concat([u32(MAX_U32), ONE])), MALFORMED),
  bad(
    'whose message says 2^32 - 4, as if it ended before itself',
    batch(Buffer.concat([u32(MAX_U32 - 3), ONE])),
    MALFORMED,
  ),
  bad('of messages without bytes', batch(rows(Buffer.alloc(0), Buffer.alloc(0))), taken(2)),
  bad('of a thousand messages without bytes', batch(Buffer.alloc(1_000 * 4)), {
    server: 'goes on',
    client: { ends: 'too-many-errors', also: { 'method-unknown': 201 } },
  }),
  bad('of one message that is no msgpack among good ones', batch(rows(ONE, Buffer.of(0xc1), ONE)), {
    server: { drops: 'msgpack-malformed' },
    client: { drops: 'method-unknown', times: 3 },
  }),
  bad('in a codec of tomorrow', batch(rows(ONE, ONE), { flags: 7 }), dropped('codec-not-agreed', 2)),
  bad('for a method that nobody handles', batch(rows(ONE, ONE), { aux: METHODS.nobody[0] }), {
    drops: 'method-unknown',
    times: 2,
  }),
  bad('for a method that was never introduced', batch(rows(ONE), { aux: 11 }), { drops: 'frame-malformed' }),
  bad(
    'with metadata',
    batch(Buffer.concat([Buffer.of(0, 0), rows(ONE)]), { flags: MSGPACK | FLAG.METADATA }),
    MALFORMED,
  ),
  bad('whose metadata ends after it', batch(Buffer.of(9, 0), { flags: MSGPACK | FLAG.METADATA }), MALFORMED),
  bad('that is a last part without a first', batch(rows(ONE), { flags: MSGPACK | FLAG.MORE }), {
    ends: 'part-invalid',
  }),
]

/** Rows of which the last is cut, behind one that is whole: what came before is delivered, and then the end. */
export const cutBatches: readonly BadFrame[] = [5, 6, 7, 8, 9].map((length) => {
  return bad(`cut after ${length} bytes, within its second message`, batch(rows(ONE, ONE).subarray(0, length)), {
    server: length === 5 ? 'goes on' : MALFORMED,
    client: length === 5 ? { drops: 'method-unknown' } : { ...MALFORMED, also: { 'method-unknown': 1 } },
  })
})
