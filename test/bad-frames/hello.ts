import { FLAG, KIND } from '../../src/wire/frame.js'
import { preface } from '../../src/wire/preface.js'
import { type FrameParts, frame, goAwayFrame, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, beginnings, first, hex, MAX_U32, u16 } from './bad-frame.js'

const MALFORMED = { ends: 'hello-malformed' } as const
const TOO_LARGE = { ends: 'hello-too-large' } as const
const FINGERPRINT = hex('0102030405060708')
const FRAME_LIMIT = 4 * 1024
const HELLO_LIMIT = 64 * 1024

function field(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.of(type), u16(value.length), value])
}

function limits(frameBytes: number, messageBytes: number, calls = 1_024, methods = 4_096): Buffer {
  return field(5, Buffer.concat([u32(frameBytes), u32(messageBytes), u32(calls), u32(methods)]))
}

function flow(streams: number, streamWindow: number, laneWindow: number): Buffer {
  return field(7, Buffer.concat([u32(streams), u32(streamWindow), u32(laneWindow)]))
}

function service(name: string | Buffer): Buffer {
  return field(6, Buffer.concat([FINGERPRINT, Buffer.from(name)]))
}

function id(text: string | Buffer): Buffer {
  return field(1, Buffer.from(text))
}

/** A proper HELLO, by field type. */
const FIELDS: Readonly<Record<number, Buffer>> = {
  1: id('hostile'),
  2: field(2, Buffer.of(7)),
  3: field(3, Buffer.of(1)),
  4: field(4, u32(0)),
  5: limits(65_536, 65_536),
}
const BODY = Buffer.concat(Object.values(FIELDS))
const FLOW_BIT = field(4, u32(2))

/** Preface and HELLO with these fields in the place of the proper ones, and these behind. */
function hello(other: Readonly<Record<number, Buffer>>, ...more: readonly Buffer[]): Buffer {
  return inFrames(Buffer.concat([...Object.values({ ...FIELDS, ...other }), ...more]))
}

/** Preface and HELLO in frames with these bodies, all but the last of which go on. */
function inFrames(...bodies: readonly Buffer[]): Buffer {
  const frames = bodies.map((body, index) => {
    return frame(KIND.HELLO, { flags: index < bodies.length - 1 ? FLAG.MORE : 0, body })
  })
  return Buffer.concat([preface(), ...frames])
}

function padding(bytes: number): Buffer {
  return field(0x80, Buffer.alloc(bytes - 3))
}

/** The preface, a frame of this kind, and a HELLO behind it. */
function early(kind: number, parts: FrameParts = {}): Buffer {
  return Buffer.concat([preface(), frame(kind, parts), hello({}).subarray(preface().length)])
}

const NOTHING = Buffer.alloc(0)

const fields: readonly BadFrame[] = [
  ...[1, 2, 3, 4, 5].map((type) => first(`without field ${type}`, hello({ [type]: NOTHING }), MALFORMED)),
  ...[1, 2, 3, 4, 5].map((type) => first(`with field ${type} twice`, hello({}, FIELDS[type] ?? NOTHING), MALFORMED)),
  ...[2, 3, 4, 5].flatMap((type) => {
    const value = (FIELDS[type] ?? NOTHING).subarray(3)
    return [
      first(`whose field ${type} is a byte short`, hello({ [type]: field(type, value.subarray(1)) }), MALFORMED),
      first(
        `whose field ${type} is a byte long`,
        hello({ [type]: field(type, Buffer.concat([value, Buffer.of(0)])) }),
        MALFORMED,
      ),
    ]
  }),
  first('without a field', inFrames(NOTHING), MALFORMED),
  first('with a byte behind its fields', hello({}, Buffer.of(1)), MALFORMED),
  first('with two bytes behind its fields', hello({}, Buffer.of(0x80, 0)), MALFORMED),
  first('with a field that ends after it', hello({}, Buffer.of(0x80, 1, 0)), MALFORMED),
  first('with a field of 65,535 bytes that are not there', hello({}, Buffer.of(0x80, 0xff, 0xff)), MALFORMED),
  ...[0, 8, 0x40, 0x7f].map((type) => first(`with a field ${type}`, hello({}, field(type, u32(1))), MALFORMED)),
  ...[0x80, 0xff].map((type) =>
    first(`with a field ${type}, which may be skipped`, hello({}, field(type, u32(1))), 'goes on'),
  ),
  first('with an optional field twice', hello({}, padding(10), padding(10)), 'goes on'),
  first('with its fields in another order', inFrames(Buffer.concat(Object.values(FIELDS).reverse())), 'goes on'),
  first('whose peer id is empty', hello({ 1: id('') }), MALFORMED),
  first('whose peer id has 128 bytes', hello({ 1: id('x'.repeat(128)) }), 'goes on'),
  first('whose peer id has 129 bytes', hello({ 1: id('x'.repeat(129)) }), MALFORMED),
  first('whose peer id is not UTF-8', hello({ 1: id(hex('ff41')) }), MALFORMED),
  first('whose peer id ends within a character', hello({ 1: id(hex('41e282')) }), MALFORMED),
  first('whose peer id has a lone surrogate', hello({ 1: id(hex('eda080')) }), MALFORMED),
  first('whose peer id has a zero in it', hello({ 1: id('a\0b') }), 'goes on'),
  first('that reads no codec', hello({ 2: field(2, Buffer.of(0)) }), 'goes on'),
  first('that reads codecs of tomorrow', hello({ 2: field(2, Buffer.of(0xff)) }), 'goes on'),
  first('that inflates things of tomorrow', hello({ 3: field(3, Buffer.of(0xff)) }), 'goes on'),
  first('with features of tomorrow', hello({ 4: field(4, u32(0xffff_fff8)) }), 'goes on'),
  first('that takes frames of 1,024 bytes', hello({ 5: limits(1_024, 65_536) }), 'goes on'),
  first('that takes frames of 1,023 bytes', hello({ 5: limits(1_023, 65_536) }), MALFORMED),
  first('that takes messages of 1,024 bytes', hello({ 5: limits(65_536, 1_024) }), 'goes on'),
  first('that takes messages of 1,023 bytes', hello({ 5: limits(65_536, 1_023) }), MALFORMED),
  first('that takes nothing', hello({ 5: limits(0, 0, 0, 0) }), MALFORMED),
  first('that takes everything', hello({ 5: limits(MAX_U32, MAX_U32, MAX_U32, MAX_U32) }), 'goes on'),
]

const flows: readonly BadFrame[] = [
  first('with windows and without their feature', hello({}, flow(1, 1, 1)), MALFORMED),
  first('with the feature of streams and without windows', hello({ 4: FLOW_BIT }), MALFORMED),
  first('with its windows twice', hello({ 4: FLOW_BIT }, flow(1, 1, 1), flow(1, 1, 1)), MALFORMED),
  first('whose windows are a byte short', hello({ 4: FLOW_BIT }, field(7, Buffer.alloc(11, 1))), MALFORMED),
  first('whose windows are a byte long', hello({ 4: FLOW_BIT }, field(7, Buffer.alloc(13, 1))), MALFORMED),
  first('with a stream window of nothing', hello({ 4: FLOW_BIT }, flow(1, 0, 1)), MALFORMED),
  first('with a lane window of nothing', hello({ 4: FLOW_BIT }, flow(1, 1, 0)), MALFORMED),
  first('with windows of a byte', hello({ 4: FLOW_BIT }, flow(1, 1, 1)), 'goes on'),
  first('with windows of 2^31 - 1', hello({ 4: FLOW_BIT }, flow(1, 2 ** 31 - 1, 2 ** 31 - 1)), 'goes on'),
  first('with a stream window of 2^31', hello({ 4: FLOW_BIT }, flow(1, 2 ** 31, 1)), MALFORMED),
  first('with a lane window of 2^31', hello({ 4: FLOW_BIT }, flow(1, 1, 2 ** 31)), MALFORMED),
  first('with the largest windows there can be', hello({ 4: FLOW_BIT }, flow(1, MAX_U32, MAX_U32)), MALFORMED),
  first('that takes no streams', hello({ 4: FLOW_BIT }, flow(0, 1, 1)), 'goes on'),
  first('that takes 2^32 - 1 streams', hello({ 4: FLOW_BIT }, flow(MAX_U32, 1, 1)), 'goes on'),
]

const services: readonly BadFrame[] = [
  first('with a service of no bytes', hello({}, field(6, NOTHING)), MALFORMED),
  first('with a service whose fingerprint is short', hello({}, field(6, FINGERPRINT.subarray(1))), MALFORMED),
  first('with a service without a name', hello({}, service('')), MALFORMED),
  first('with a service of a short name', hello({}, service('a')), 'goes on'),
  first('with a service whose name is not UTF-8', hello({}, service(hex('c328'))), MALFORMED),
  first('with a service twice', hello({}, service('a'), service('a')), MALFORMED),
  first('with a hundred services', hello({}, ...Array.from({ length: 100 }, (_, n) => service(`s${n}`))), 'goes on'),
  first('with a service named __proto__', hello({}, service('__proto__')), 'goes on'),
]

const frames: readonly BadFrame[] = [
  first('in two frames', inFrames(BODY.subarray(0, 10), BODY.subarray(10)), 'goes on'),
  first('in a frame for each byte', inFrames(...Array.from(BODY, (byte) => Buffer.of(byte))), 'goes on'),
  first('whose last frame is empty', inFrames(BODY, NOTHING), 'goes on'),
  first(
    'with a hundred empty frames in front',
    inFrames(...Array.from({ length: 100 }, () => NOTHING), BODY),
    'goes on',
  ),
  first('whose frame is as large as may be', hello({}, padding(FRAME_LIMIT - 8 - BODY.length)), 'goes on'),
  first('whose frame is a byte too large', hello({}, padding(FRAME_LIMIT - 7 - BODY.length)), TOO_LARGE),
  first('whose frame says 2^32 - 1', Buffer.concat([preface(), u32(MAX_U32)]), TOO_LARGE),
  first('whose frame says 2^31', Buffer.concat([preface(), u32(2 ** 31)]), TOO_LARGE),
  first('whose frame says 7', Buffer.concat([preface(), u32(7)]), { ends: 'frame-too-small' }),
  first('that is as large as may be in all', inFrames(...paddings(HELLO_LIMIT - BODY.length), BODY), 'goes on'),
  first('that is a byte too large in all', inFrames(...paddings(HELLO_LIMIT + 1 - BODY.length), BODY), TOO_LARGE),
  first('that is compressed', Buffer.concat([preface(), frame(KIND.HELLO, { flags: FLAG.COMPRESSED, body: BODY })]), {
    ends: 'compression-forbidden',
  }),
  first(
    'with a number where there is none',
    Buffer.concat([preface(), frame(KIND.HELLO, { aux: 0xffff, id: MAX_U32, body: BODY })]),
    'goes on',
  ),
  bad('that comes a second time', frame(KIND.HELLO, { body: BODY }), { ends: 'frame-unexpected' }),
  bad('that goes on after its end', frame(KIND.HELLO, { flags: FLAG.MORE, body: BODY }), { ends: 'frame-malformed' }),
  bad('that comes empty a second time', frame(KIND.HELLO), { ends: 'frame-unexpected' }),
  ...beginnings(BODY).map((body) => first(`cut after ${body.length} bytes`, inFrames(body), MALFORMED)),
  ...[4, 11, 12, 13, 40].map((length) => {
    const said = hello({}).subarray(0, preface().length + length)
    return first(`after ${length} bytes of which the peer hangs up`, said, 'lost')
  }),
]

function paddings(bytes: number): readonly Buffer[] {
  const all: Buffer[] = []
  for (let left = bytes; left > 0; left -= 2_000) all.push(padding(left > 2_003 ? 2_000 : left))
  return all.slice(0, Math.ceil(bytes / 2_000) - (bytes % 2_000 < 4 && bytes % 2_000 > 0 ? 1 : 0))
}

const UNEXPECTED = [
  'METHOD',
  'CALL',
  'ANSWER',
  'ERROR',
  'CANCEL',
  'ONE_WAY',
  'BATCH',
  'ACK',
  'NACK',
  'PING',
  'PONG',
] as const
const STREAMS = ['STREAM_OPEN', 'STREAM_DATA', 'STREAM_END', 'STREAM_RESET', 'CREDIT', 'PART'] as const

const before: readonly BadFrame[] = [
  ...[...UNEXPECTED, ...STREAMS].map((name) => {
    return first(`behind a ${name}`, early(KIND[name], { body: Buffer.alloc(8) }), { ends: 'frame-unexpected' })
  }),
  ...[0x00, 0x0e, 0x16, 0x7f].map((kind) =>
    first(`behind the unknown kind ${kind}`, early(kind), { ends: 'frame-unknown' }),
  ),
  ...[0x80, 0xff].map((kind) => {
    return first(`behind the kind ${kind}, which may be skipped later`, early(kind), { ends: 'frame-unknown' })
  }),
  first('behind a compressed CALL', early(KIND.CALL, { flags: FLAG.COMPRESSED }), { ends: 'compression-forbidden' }),
  first('in whose place a peer says goodbye', Buffer.concat([preface(), goAwayFrame(0)]), 'closes'),
  first('in whose place a peer says what was wrong with ours', Buffer.concat([preface(), refusal()]), 'closes'),
  first('in whose place a goodbye is empty', early(KIND.GO_AWAY), { ends: 'frame-malformed' }),
]

function refusal(): Buffer {
  const bytes = goAwayFrame(0)
  bytes.writeUInt16LE(13, 6)
  return bytes
}

export const hellos: readonly BadFrame[] = [...fields, ...flows, ...services, ...frames, ...before]
