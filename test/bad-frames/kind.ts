import { FLAG, KIND } from '../../src/wire/frame.js'
import { preface } from '../../src/wire/preface.js'
import { type FrameParts, frame, goAwayFrame, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, first, MAX_U32, type Outcome, toServer } from './bad-frame.js'

const UNKNOWN = { ends: 'frame-unknown' } as const
const UNEXPECTED = { ends: 'frame-unexpected' } as const
const MALFORMED = { ends: 'frame-malformed' } as const

const OPTIONAL = Array.from({ length: 0x80 }, (_, index) => 0x80 + index)

function every(parts: FrameParts): Buffer {
  return Buffer.concat(OPTIONAL.map((kind) => frame(kind, parts)))
}

export const optionals: readonly BadFrame[] = [
  bad('all of them, empty', every({}), 'goes on'),
  bad('all of them, with every bit set', every({ flags: 0xff, aux: 0xffff, id: MAX_U32 }), 'goes on'),
  bad('all of them, with a body', every({ body: Buffer.alloc(100, 0xff) }), 'goes on'),
  bad('all of them, as if compressed', every({ flags: FLAG.COMPRESSED, body: u32(MAX_U32) }), 'goes on'),
  bad('all of them, as if in parts', every({ flags: FLAG.MORE }), 'goes on'),
  bad('ten thousand of them', Buffer.concat(Array.from({ length: 10_000 }, () => frame(0xc0))), 'goes on'),
  bad('a large one', frame(0x80, { body: Buffer.alloc(60_000) }), 'goes on'),
  toServer('all of them, behind a goodbye', Buffer.concat([goAwayFrame(0), every({})]), 'goes on'),
]

/** What an empty frame of each kind does to a connection that is ready. Kinds that are not here are unknown. */
const READY: Readonly<Record<number, Outcome>> = {
  [KIND.HELLO]: UNEXPECTED,
  [KIND.METHOD]: MALFORMED,
  [KIND.CALL]: MALFORMED,
  [KIND.ANSWER]: { ends: 'answer-unknown' },
  [KIND.ERROR]: MALFORMED,
  [KIND.CANCEL]: 'goes on',
  [KIND.ONE_WAY]: { drops: 'frame-malformed' },
  [KIND.BATCH]: MALFORMED,
  [KIND.ACK]: MALFORMED,
  [KIND.NACK]: MALFORMED,
  [KIND.PING]: 'goes on',
  [KIND.PONG]: UNEXPECTED,
  [KIND.GO_AWAY]: MALFORMED,
  [KIND.STREAM_OPEN]: MALFORMED,
  [KIND.STREAM_DATA]: { ends: 'stream-id-invalid' },
  [KIND.STREAM_END]: { ends: 'stream-id-invalid' },
  [KIND.STREAM_RESET]: MALFORMED,
  [KIND.CREDIT]: MALFORMED,
  [KIND.PART]: { ends: 'part-invalid' },
}

/** The same before the end of the HELLO. */
function early(kind: number): Outcome {
  if (kind === KIND.HELLO) return { ends: 'hello-malformed' }
  if (kind === KIND.GO_AWAY) return MALFORMED
  return kind in READY ? UNEXPECTED : UNKNOWN
}

const nameOf = (kind: number): string => kind.toString(16).padStart(2, '0')

/** Of each kind. Counted apart from the cases that have names of their own. */
export const kinds: readonly BadFrame[] = Array.from({ length: 0x100 }, (_, kind) => kind).flatMap((kind) => {
  const before = first(`${nameOf(kind)} before the HELLO`, Buffer.concat([preface(), frame(kind)]), early(kind))
  // Those that may be skipped are all said at once, above.
  if (kind >= 0x80) return [before]
  const then = READY[kind] ?? UNKNOWN
  return [
    before,
    bad(`${nameOf(kind)} when all is ready`, frame(kind), then),
    toServer(`${nameOf(kind)} behind a goodbye`, Buffer.concat([goAwayFrame(0), frame(kind)]), then),
  ]
})
