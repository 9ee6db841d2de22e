import { FLAG, KIND } from '../../src/wire/frame.js'
import { frame, packed } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, MAX_U32, toClient, toServer } from './bad-frame.js'
import { BAD_FAULTS, fault } from './error.js'
import type { Scene } from './scene.js'
import { afterOver, credit, data, end, feed, first, NOTHING, open, reset, say } from './stream-frames.js'
import { FLOW } from './target.js'

const BAD_ID = { ends: 'stream-id-invalid' } as const
const MALFORMED = { ends: 'frame-malformed' } as const
const ENDED = { ends: 'stream-ended' } as const
const NO_CREDIT = { ends: 'credit-exceeded' } as const
const UNEXPECTED = { ends: 'frame-unexpected' } as const
const WITHOUT_FLOW = { features: 0, flow: null } as const

/** Frames for streams that nobody opened. A server hears of its own streams, a client of its. */
const STRAYS: readonly (readonly [string, (id: number) => Buffer])[] = [
  ['data', (id) => data(id)],
  ['data without bytes', (id) => data(id, NOTHING)],
  ['an end', (id) => end(id)],
  ['credit', (id) => credit(id, 1)],
]

export const strays: readonly BadFrame[] = [
  ...STRAYS.flatMap(([name, make]) => {
    const then = name === 'credit' ? ({ ends: 'credit-invalid' } as const) : BAD_ID
    return [
      bad(`${name} for the first stream of the peer`, (scene) => make(scene.theirs()), then),
      bad(`${name} for the first stream of ours`, (scene) => make(scene.ours()), then),
      bad(`${name} for the last streams there can be`, () => make(MAX_U32), then),
      bad(
        `${name} for a stream that is not yet opened`,
        (scene) => {
          return Buffer.concat([open(first(scene), 'nobody'), make(scene.theirs(1))])
        },
        { ...then, also: { 'method-unknown': 1 } },
      ),
      bad(
        `${name} for a stream that was refused`,
        (scene) => {
          return Buffer.concat([open(first(scene), 'nobody'), make(first(scene))])
        },
        { refuses: 'method-unknown' },
      ),
      bad(`${name} from a peer that knows of no streams`, () => make(1), UNEXPECTED, WITHOUT_FLOW),
    ]
  }),
  bad('data for stream 0', () => data(0), BAD_ID),
  bad('an end for stream 0', () => end(0), BAD_ID),
  bad('a reset for stream 0', () => reset(0), BAD_ID),
  bad('a reset for a stream that was never opened', (scene) => reset(scene.theirs()), BAD_ID),
  bad('a reset for a stream of ours', (scene) => reset(scene.ours()), BAD_ID),
  bad('a reset from a peer that knows of no streams', (scene) => reset(scene.theirs()), UNEXPECTED, WITHOUT_FLOW),
  ...BAD_FAULTS.map(([name, body]) => {
    return bad(`a reset with a fault ${name}`, (scene) => reset(scene.theirs(), 1, body), MALFORMED)
  }),
  bad('an end in parts', (scene) => end(scene.theirs(), { flags: FLAG.MORE }), MALFORMED),
  bad('a reset in parts', frame(KIND.STREAM_RESET, { flags: FLAG.MORE, aux: 1, id: 1, body: fault() }), MALFORMED),
  bad('the last part of data without a first', (scene) => data(scene.theirs(), packed(1), FLAG.MORE), {
    ends: 'part-invalid',
  }),
]

const WINDOW = FLOW.streamWindowBytes
/** With it a stream has as much credit as there can be: the window that the hostile peer gave, and this. */
const MOST_CREDIT = 2 ** 31 - 1 - 64 * 1024
const wait = (scene: Scene): Buffer => open(first(scene), 'list', packed(1))

/** What the opener of a stream may not do, and what it may. */
export const openers: readonly BadFrame[] = [
  toServer(
    'data after its end',
    say(
      feed,
      (scene) => end(first(scene)),
      (scene) => data(first(scene)),
    ),
    ENDED,
  ),
  toServer(
    'data for a server stream, whose opener has ended',
    say(wait, (scene) => data(first(scene))),
    ENDED,
  ),
  toServer(
    'an end of a server stream, whose opener has ended',
    say(wait, (scene) => end(first(scene))),
    ENDED,
  ),
  toServer(
    'an end with a status',
    say(feed, (scene) => end(first(scene), { aux: 1, body: fault() })),
    MALFORMED,
  ),
  toServer(
    'an end with a status and no fault',
    say(feed, (scene) => end(first(scene), { aux: 1 })),
    MALFORMED,
  ),
  toServer(
    'an end with metadata',
    say(feed, (scene) => end(first(scene), { body: Buffer.alloc(2) })),
    MALFORMED,
  ),
  toServer(
    'an end with half of metadata',
    say(feed, (scene) => end(first(scene), { body: Buffer.alloc(1) })),
    MALFORMED,
  ),
  toServer(
    'data that is no msgpack',
    say(feed, (scene) => data(first(scene), Buffer.of(0xc1))),
    { refuses: 'msgpack-malformed' },
  ),
  toServer(
    'data in another codec',
    say(feed, (scene) => data(first(scene), NOTHING, 0)),
    { refuses: 'codec-not-agreed' },
  ),
  toServer(
    'a reset twice',
    say(
      feed,
      (scene) => reset(first(scene)),
      (scene) => reset(first(scene)),
    ),
    'goes on',
  ),
  toServer(
    'a reset for a status of tomorrow',
    say(feed, (scene) => reset(first(scene), 0xffff)),
    'goes on',
  ),
  toServer(
    'a reset of a stream that is over',
    afterOver((scene) => reset(first(scene))),
    'goes on',
  ),
  toServer(
    'data for a stream that is over',
    afterOver((scene) => data(first(scene))),
    'goes on',
  ),
  toServer(
    'an end of a stream that is over',
    afterOver((scene) => end(first(scene))),
    'goes on',
  ),
  toServer(
    'credit for a stream that is over',
    afterOver((scene) => credit(first(scene), 1)),
    'goes on',
  ),
  toServer(
    'data behind a reset',
    say(
      wait,
      (scene) => reset(first(scene)),
      (scene) => data(first(scene)),
    ),
    'goes on',
  ),
  toServer(
    'an end behind a reset',
    say(
      feed,
      (scene) => reset(first(scene)),
      (scene) => end(first(scene)),
    ),
    'goes on',
  ),
  toServer(
    'credit of nothing',
    say(wait, (scene) => credit(first(scene), 0)),
    { ends: 'credit-invalid' },
  ),
  toServer(
    'credit of all there can be',
    say(wait, (scene) => credit(first(scene), MOST_CREDIT - 2_000)),
    'goes on',
  ),
  toServer(
    'credit of more than there can be',
    say(wait, (scene) => credit(first(scene), MOST_CREDIT + 1)),
    { ends: 'credit-invalid' },
  ),
  toServer(
    'credit of 2^32 - 1',
    say(wait, (scene) => credit(first(scene), MAX_U32)),
    { ends: 'credit-invalid' },
  ),
  toServer(
    'a message larger than its window',
    say(feed, (scene) => data(first(scene), packed('x'.repeat(WINDOW * 2)))),
    'goes on',
  ),
]

/** A stream of our client, of which it reads nothing, and what the hostile server says on it. */
function answering(...make: readonly ((id: number) => Buffer)[]): BadFrame['says'] {
  return async (scene) => {
    const id = await scene.reading()
    return Buffer.concat(make.map((one) => one(id)))
  }
}

/** The same, and it reads to the end. */
function read(...make: readonly ((id: number) => Buffer)[]): BadFrame['says'] {
  return async (scene) => {
    const id = await scene.draining()
    return Buffer.concat(make.map((one) => one(id)))
  }
}

/** Payload that takes a stream's credit to exactly 0. */
const ALL = Buffer.alloc(WINDOW - 12)

/** What who serves a stream may not do, and what it may. */
export const servers: readonly BadFrame[] = [
  ...BAD_FAULTS.map(([name, body]) => {
    return toClient(
      `an end with a fault ${name}`,
      read((id) => end(id, { aux: 13, body })),
      MALFORMED,
    )
  }),
  toClient(
    'an end twice',
    read(
      (id) => end(id),
      (id) => end(id),
    ),
    'goes on',
  ),
  toClient(
    'an end for a status of tomorrow',
    read((id) => end(id, { aux: 0xffff, body: fault() })),
    { told: 'UNKNOWN' },
  ),
  toClient(
    'data behind an end',
    read(
      (id) => end(id),
      (id) => data(id),
    ),
    'goes on',
  ),
  toClient(
    'credit behind an end',
    read(
      (id) => end(id),
      (id) => credit(id, 1),
    ),
    'goes on',
  ),
  toClient('a reset of a stream of ours', read(reset), BAD_ID),
  toClient(
    'a reset of a stream of ours that is over',
    read((id) => end(id), reset),
    BAD_ID,
  ),
  toClient(
    'data for the next stream',
    read((id) => data(id + 2)),
    BAD_ID,
  ),
  toClient(
    'an end of the next stream',
    read((id) => end(id + 2)),
    BAD_ID,
  ),
  toClient(
    'data that is no msgpack',
    read((id) => data(id, Buffer.of(0xc1))),
    { fails: 'msgpack-malformed' },
  ),
  toClient(
    'data in another codec',
    read((id) => data(id, packed(1), 0)),
    { fails: 'codec-not-agreed' },
  ),
  toClient(
    'data without bytes',
    read(
      (id) => data(id, NOTHING),
      (id) => end(id),
    ),
    'goes on',
  ),
  toClient(
    'data up to its credit',
    answering(
      (id) => data(id, ALL.subarray(1)),
      (id) => data(id, NOTHING),
    ),
    'goes on',
  ),
  toClient(
    'data beyond its credit',
    answering(
      (id) => data(id, ALL),
      (id) => data(id, NOTHING),
    ),
    NO_CREDIT,
  ),
  toClient(
    'data beyond its credit, of a large message',
    answering(
      (id) => data(id, Buffer.alloc(60_000)),
      (id) => data(id),
    ),
    NO_CREDIT,
  ),
  toClient(
    'credit of nothing',
    answering((id) => credit(id, 0)),
    { ends: 'credit-invalid' },
  ),
  toClient(
    'credit of 2^31',
    answering((id) => credit(id, 2 ** 31)),
    { ends: 'credit-invalid' },
  ),
]
