import { FLAG, KIND } from '../../src/wire/frame.js'
import { frame, goAwayFrame, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, MAX_U32, toServer } from './bad-frame.js'
import { BAD_FAULTS, fault } from './error.js'
import { FLOW, LIMITS, METHODS } from './target.js'

const MALFORMED = { ends: 'frame-malformed' } as const
const UNEXPECTED = { ends: 'frame-unexpected' } as const
const BAD_CREDIT = { ends: 'credit-invalid' } as const
const WITHOUT_FLOW = { features: 0, flow: null } as const

function times(count: number, one: Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => one))
}

const cancel = (id: number, aux = 1): Buffer => frame(KIND.CANCEL, { aux, id })

export const cancels: readonly BadFrame[] = [
  ...[0, 1, 2 ** 31, MAX_U32].map((id) => bad(`of the call ${id}, which nobody made`, cancel(id), 'goes on')),
  toServer('of a call that was answered', (scene) => Buffer.concat([scene.call('echo'), cancel(1)]), 'goes on'),
  toServer('of an open call', (scene) => Buffer.concat([scene.call('hold'), cancel(1)]), 'goes on'),
  toServer('of an open call, twice', (scene) => Buffer.concat([scene.call('hold'), cancel(1), cancel(1)]), 'goes on'),
  ...[0, 2, 17, 0xffff].map((aux) => {
    return toServer(`for the reason ${aux}`, (scene) => Buffer.concat([scene.call('hold'), cancel(1, aux)]), 'goes on')
  }),
  bad('with a body', frame(KIND.CANCEL, { aux: 1, id: 1, body: fault() }), 'goes on'),
  bad('with a large body', frame(KIND.CANCEL, { aux: 1, id: 1, body: Buffer.alloc(60_000) }), 'goes on'),
  bad('as often as may be', times(LIMITS.cancelBurst, cancel(1)), 'goes on'),
  bad('once more than may be', times(LIMITS.cancelBurst + 1, cancel(1)), { ends: 'too-many-cancels' }),
  bad(
    'and resets together once more than may be',
    (scene) => {
      const reset = frame(KIND.STREAM_RESET, { aux: 1, id: scene.theirs(), body: fault() })
      const open = frame(KIND.STREAM_OPEN, { flags: 1, aux: METHODS.feed[0], id: scene.theirs(), body: u32(0) })
      return Buffer.concat([open, times(LIMITS.cancelBurst, cancel(1)), reset])
    },
    { server: { ends: 'too-many-cancels' }, client: { ends: 'too-many-cancels', also: { 'method-unknown': 1 } } },
  ),
  bad('in parts', frame(KIND.CANCEL, { flags: FLAG.MORE, aux: 1, id: 1 }), MALFORMED),
]

const ping = (id: number): Buffer => frame(KIND.PING, { id })
const pong = (id: number): Buffer => frame(KIND.PONG, { id })

export const pings: readonly BadFrame[] = [
  ...[0, 2 ** 31, MAX_U32].map((id) => bad(`a PING of ${id}`, ping(id), 'goes on')),
  bad('a PING with a body', frame(KIND.PING, { body: Buffer.alloc(1_000) }), 'goes on'),
  bad('a PING with a number', frame(KIND.PING, { aux: 0xffff }), 'goes on'),
  bad('ten PINGs', times(10, ping(1)), 'goes on'),
  bad('eleven PINGs', times(11, ping(1)), { ends: 'too-many-pings' }),
  bad('a PING in parts', frame(KIND.PING, { flags: FLAG.MORE }), MALFORMED),
  ...[0, 2, 2 ** 31, MAX_U32].map((id) => bad(`a PONG of ${id}, which nobody sent`, pong(id), UNEXPECTED)),
  bad('the PONG to our PING, twice', Buffer.concat([pong(1), pong(1)]), UNEXPECTED),
  bad('a PONG where we never ping', pong(1), UNEXPECTED, WITHOUT_FLOW),
  bad('a PONG in parts', frame(KIND.PONG, { flags: FLAG.MORE, id: 1 }), MALFORMED),
]

/** A server goes on answering who begins nothing new; a client of ours goes elsewhere. */
const LEAVING = { server: 'goes on', client: 'leaves' } as const

function goAway(aux: number, id = 0, body = fault()): Buffer {
  return frame(KIND.GO_AWAY, { aux, id, body })
}

export const goodbyes: readonly BadFrame[] = [
  ...BAD_FAULTS.map(([name, body]) => bad(`with a fault ${name}`, goAway(0, 0, body), MALFORMED)),
  bad('for cause, with a fault that cannot be read', goAway(13, 0, Buffer.of(9)), MALFORMED),
  ...[1, 13, 17, 0xffff].map((aux) => bad(`for the cause ${aux}`, goAway(aux), 'closes')),
  bad('for cause, and then a call', (scene) => Buffer.concat([goAway(13), scene.call('echo')]), 'closes'),
  bad('for cause, and then noise', Buffer.concat([goAway(13), Buffer.alloc(100, 0xff)]), 'closes'),
  bad('in order, and then for cause', Buffer.concat([goAwayFrame(0), goAway(13)]), 'closes'),
  bad('in parts', frame(KIND.GO_AWAY, { flags: FLAG.MORE, body: fault() }), MALFORMED),
  ...[0, 1, 2 ** 31, MAX_U32].map((id) => bad(`in order, after the id ${id}`, goAwayFrame(id), LEAVING)),
  bad('in order, twice', times(2, goAwayFrame(0)), LEAVING),
  toServer('in order, a hundred times', times(100, goAwayFrame(0)), 'goes on'),
  toServer('in order, and then noise', Buffer.concat([goAwayFrame(0), u32(0)]), { ends: 'frame-too-small' }),
]

function credit(bytes: number, aux = 0, id = 0): Buffer {
  return frame(KIND.CREDIT, { aux, id, body: u32(bytes) })
}

const WINDOW = 64 * 1024
const MOST = 2 ** 31 - 1

/** A one-way message that a server holds on to, of so many bytes. */
function waiting(bytes: number, lane = 1): Buffer {
  const body = Buffer.concat([Buffer.from('c5', 'hex'), Buffer.from([bytes >> 8, bytes & 0xff]), Buffer.alloc(bytes)])
  return frame(KIND.ONE_WAY, { flags: 1 | (lane << FLAG.LANE_SHIFT), aux: METHODS.wait[0], body })
}

/** Payload that takes a lane's credit to exactly 0: a frame costs 12 bytes, and 3 say how long the payload is. */
const ALL = FLOW.laneWindowBytes - 15

export const credits: readonly BadFrame[] = [
  ...[0, 1, 2, 3, 5, 8].map((length) => {
    return bad(`in ${length} bytes`, frame(KIND.CREDIT, { body: Buffer.alloc(length, 1) }), MALFORMED)
  }),
  ...[0, 1, 2, 3].flatMap((lane) => [
    bad(`of a byte for lane ${lane}`, credit(1, lane), 'goes on'),
    bad(`of nothing for lane ${lane}`, credit(0, lane), BAD_CREDIT),
    bad(`of all there can be for lane ${lane}`, credit(MOST - WINDOW, lane), 'goes on'),
    bad(`of a byte more than there can be for lane ${lane}`, credit(MOST - WINDOW + 1, lane), BAD_CREDIT),
  ]),
  bad('of all there can be, and a byte', Buffer.concat([credit(MOST - WINDOW), credit(1)]), BAD_CREDIT),
  ...[2 ** 31, MAX_U32].map((bytes) => bad(`of ${bytes} bytes`, credit(bytes), BAD_CREDIT)),
  ...[4, 255, 0xffff].map((lane) => bad(`for lane ${lane}`, credit(1, lane), MALFORMED)),
  bad('for a stream in a lane', credit(1, 1, 1), MALFORMED),
  ...[1, 2, 2 ** 31, MAX_U32].map((id) =>
    bad(`for the stream ${id}, which nobody opened`, credit(1, 0, id), BAD_CREDIT),
  ),
  bad('from a peer that knows of none', credit(1), UNEXPECTED, WITHOUT_FLOW),
  bad('in parts', frame(KIND.CREDIT, { flags: FLAG.MORE, body: u32(1) }), MALFORMED),
  ...[0, 1, 2, 3].flatMap((lane) => [
    toServer(`used up in lane ${lane}`, Buffer.concat([waiting(ALL - 1, lane), waiting(1, lane)]), 'goes on'),
    toServer(`used up in lane ${lane}, and a message more`, Buffer.concat([waiting(ALL, lane), waiting(0, lane)]), {
      ends: 'credit-exceeded',
    }),
  ]),
  toServer('used up by one large message, and a message more', Buffer.concat([waiting(50_000), waiting(0)]), {
    ends: 'credit-exceeded',
  }),
  toServer('used up in one lane, and a message in another', Buffer.concat([waiting(ALL, 1), waiting(0, 2)]), 'goes on'),
]
