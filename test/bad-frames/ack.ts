import { KIND } from '../../src/wire/frame.js'
import { type FrameParts, frame, MSGPACK, packed, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, MAX_U32, toServer } from './bad-frame.js'
import { BAD_FAULTS, fault } from './error.js'
import { METHODS } from './target.js'

const MALFORMED = { ends: 'frame-malformed' } as const
const BAD_ACK = { ends: 'ack-invalid' } as const
const BAD_ID = { ends: 'message-id-invalid' } as const

/** Ranges of ids, each its first and its last. */
function ack(aux: number, ids: readonly number[], parts: FrameParts = {}): Buffer {
  return frame(KIND.ACK, { aux, body: Buffer.concat(ids.map(u32)), ...parts })
}

function nack(id: number, body = fault()): Buffer {
  return frame(KIND.NACK, { aux: 8, id, body })
}

function message(id: number): Buffer {
  return frame(KIND.ONE_WAY, { flags: MSGPACK, aux: METHODS.note[0], id, body: packed(1) })
}

/** As many messages without bytes, the first of which has this id. */
function batch(id: number, count: number): Buffer {
  return frame(KIND.BATCH, { flags: MSGPACK, aux: METHODS.note[0], id, body: Buffer.alloc(4 * count) })
}

export const acks: readonly BadFrame[] = [
  ...[0, 1, 4, 7, 9, 12, 15].map((length) => {
    return bad(`an ACK of ${length} bytes`, frame(KIND.ACK, { aux: 1, body: Buffer.alloc(length, 1) }), MALFORMED)
  }),
  ...[0, 3, 0xffff].map((aux) => bad(`an ACK that says ${aux}`, ack(aux, [1, 1]), MALFORMED)),
  bad('an ACK with an id', ack(1, [1, 1], { id: 1 }), MALFORMED),
  ...[1, 2].flatMap((aux) => [
    bad(`an ACK of ${aux} for a message that was not sent`, ack(aux, [1, 1]), BAD_ACK),
    bad(`an ACK of ${aux} for message 0`, ack(aux, [0, 0]), BAD_ACK),
    bad(`an ACK of ${aux} for all messages`, ack(aux, [1, MAX_U32]), BAD_ACK),
    bad(`an ACK of ${aux} for a range that ends before it begins`, ack(aux, [2, 1]), BAD_ACK),
    bad(`an ACK of ${aux} for the last message there can be`, ack(aux, [MAX_U32, MAX_U32]), BAD_ACK),
  ]),
  ...[0, 1, 2 ** 31, MAX_U32].map((id) => bad(`a NACK of message ${id}, which was not sent`, nack(id), BAD_ACK)),
  ...BAD_FAULTS.map(([name, body]) => bad(`a NACK with a fault ${name}`, nack(1, body), MALFORMED)),
  toServer('messages whose ids rise', Buffer.concat([message(1), message(2), batch(3, 4), message(7)]), 'goes on'),
  toServer('a first id that leaves some out', message(1_000), 'goes on'),
  toServer('an id again', Buffer.concat([message(1), message(1)]), BAD_ID),
  toServer('an id below the last', Buffer.concat([message(5), message(4)]), BAD_ID),
  toServer('an id that a batch had', Buffer.concat([batch(1, 4), message(4)]), BAD_ID),
  toServer('a batch that begins with the last id', Buffer.concat([message(4), batch(4, 2)]), BAD_ID),
  bad('2^31 as the first id', message(2 ** 31), BAD_ID),
  bad('2^32 - 1 as the first id', message(MAX_U32), BAD_ID),
  bad('2^32 - 1 as the first id of a batch', batch(MAX_U32, 1), BAD_ID),
]
