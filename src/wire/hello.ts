import { failure } from '../base/errors.js'

/** What one side says of itself before anything else. */
export interface HelloFields {
  /** Who this is: the same on all connections of one client, server or node. 1 to 128 bytes of UTF-8. */
  readonly peerId: string
  /** Bit n: codec number n can be read. */
  readonly codecs: number
  /** Bit n: compression number n can be read. Number 0 is LZ4. */
  readonly compressions: number
  /** Bits of things beyond version 1 that can be received. See the protocol document. */
  readonly features: number
  /** The largest frame `length` this side accepts. */
  readonly maxFrameBytes: number
  /** The largest message, after inflating, this side accepts. */
  readonly maxMessageBytes: number
  /** How many calls this side accepts at once; a power of two is rounded up from it for the ids. */
  readonly maxOpenCalls: number
  /** How many method names this side accepts. */
  readonly maxMethods: number
  readonly services: readonly ServiceFingerprint[]
  /** Null where this side takes no streams and grants no credit. */
  readonly flow: FlowFields | null
}

/** What one side lets the other send before it grants more. Bytes. */
export interface FlowFields {
  /** How many streams this side accepts at once. */
  readonly maxStreams: number
  /** The credit with which each stream begins. */
  readonly streamWindowBytes: number
  /** The credit of each lane for one-way messages. */
  readonly laneWindowBytes: number
}

/** The bits of `features`. */
export const FEATURE = { ACKS: 1 << 0, FLOW: 1 << 1, PARTS: 1 << 2 } as const

export interface ServiceFingerprint {
  readonly name: string
  /** 8 bytes as 16 hex digits. */
  readonly fingerprint: string
}

const FIELD = { PEER_ID: 1, CODECS: 2, COMPRESSIONS: 3, FEATURES: 4, LIMITS: 5, SERVICE: 6, FLOW: 7 } as const
/** A field type from here on may be skipped by whoever does not know it. */
const OPTIONAL_FIELDS_FROM = 0x80
const FIELD_HEAD_BYTES = 3
const FINGERPRINT_BYTES = 8
const LIMITS_BYTES = 16
const FLOW_BYTES = 12
/** No window is larger, so that sums of credit never leave 31 bits. */
const MAX_WINDOW_BYTES = 2 ** 31 - 1
const MAX_PEER_ID_BYTES = 128

/** The fields as `u8 type, u16 length, value`, cut into frame bodies of at most `maxBodyBytes`, never within a field. */
export function encodeHello(hello: HelloFields, maxBodyBytes: number): Buffer[] {
  const limits = Buffer.alloc(LIMITS_BYTES)
  limits.writeUInt32LE(hello.maxFrameBytes, 0)
  limits.writeUInt32LE(hello.maxMessageBytes, 4)
  limits.writeUInt32LE(hello.maxOpenCalls, 8)
  limits.writeUInt32LE(hello.maxMethods, 12)
  const fields = [
    field(FIELD.PEER_ID, Buffer.from(hello.peerId)),
    field(FIELD.CODECS, Buffer.of(hello.codecs)),
    field(FIELD.COMPRESSIONS, Buffer.of(hello.compressions)),
    field(FIELD.FEATURES, u32(hello.features)),
    field(FIELD.LIMITS, limits),
    ...(hello.flow === null ? [] : [field(FIELD.FLOW, flowBytes(hello.flow))]),
    ...hello.services.map(({ name, fingerprint }) =>
      field(FIELD.SERVICE, Buffer.concat([Buffer.from(fingerprint, 'hex'), Buffer.from(name)])),
    ),
  ]
  return pack(fields, maxBodyBytes)
}

/** Reads the joined bodies of all HELLO frames. Throws `hello-malformed` or a limit of ours. */
export function decodeHello(body: Buffer): HelloFields {
  const single = new Map<number, Buffer>()
  const services = new Map<string, ServiceFingerprint>()
  let at = 0
  while (at < body.length) {
    if (body.length - at < FIELD_HEAD_BYTES) throw malformed('a field is cut short')
    const type = body.readUInt8(at)
    const end = at + FIELD_HEAD_BYTES + body.readUInt16LE(at + 1)
    if (end > body.length) throw malformed(`field ${type} is cut short`)
    const value = body.subarray(at + FIELD_HEAD_BYTES, end)
    at = end
    if (type === FIELD.SERVICE) {
      const service = readService(value)
      if (services.has(service.name)) throw malformed('a service comes twice')
      services.set(service.name, service)
    } else if (type === FIELD.FLOW || (type >= FIELD.PEER_ID && type <= FIELD.LIMITS)) {
      if (single.has(type)) throw malformed(`field ${type} comes twice`)
      single.set(type, value)
    } else if (type < OPTIONAL_FIELDS_FROM) throw malformed(`field ${type} does not exist`)
  }
  const limits = take(single, FIELD.LIMITS, LIMITS_BYTES)
  const peerId = single.get(FIELD.PEER_ID)
  if (peerId === undefined || peerId.length === 0 || peerId.length > MAX_PEER_ID_BYTES)
    throw malformed('no usable peer id')
  const hello = {
    peerId: utf8(peerId),
    codecs: take(single, FIELD.CODECS, 1).readUInt8(),
    compressions: take(single, FIELD.COMPRESSIONS, 1).readUInt8(),
    features: take(single, FIELD.FEATURES, 4).readUInt32LE(),
    maxFrameBytes: limits.readUInt32LE(0),
    maxMessageBytes: limits.readUInt32LE(4),
    maxOpenCalls: limits.readUInt32LE(8),
    maxMethods: limits.readUInt32LE(12),
    services: [...services.values()],
    flow: readFlow(single),
  }
  if ((hello.flow !== null) !== ((hello.features & FEATURE.FLOW) !== 0)) {
    throw malformed('field 7 and the feature bit of streams do not agree')
  }
  judgeLimit('frames', hello.maxFrameBytes)
  judgeLimit('messages', hello.maxMessageBytes)
  return hello
}

/** No side may accept less than this: control frames must always fit. */
const LEAST_FRAME_LIMIT = 1024

function judgeLimit(what: string, bytes: number): void {
  if (bytes < LEAST_FRAME_LIMIT)
    throw malformed(`it accepts ${what} of ${bytes} bytes, less than the least ${LEAST_FRAME_LIMIT}`)
}

function flowBytes({ maxStreams, streamWindowBytes, laneWindowBytes }: FlowFields): Buffer {
  return Buffer.concat([u32(maxStreams), u32(streamWindowBytes), u32(laneWindowBytes)])
}

function readFlow(fields: ReadonlyMap<number, Buffer>): FlowFields | null {
  if (!fields.has(FIELD.FLOW)) return null
  const value = take(fields, FIELD.FLOW, FLOW_BYTES)
  const flow = {
    maxStreams: value.readUInt32LE(0),
    streamWindowBytes: value.readUInt32LE(4),
    laneWindowBytes: value.readUInt32LE(8),
  }
  for (const window of [flow.streamWindowBytes, flow.laneWindowBytes]) {
    if (window === 0 || window > MAX_WINDOW_BYTES) throw malformed(`a window of ${window} bytes`)
  }
  return flow
}

function readService(value: Buffer): ServiceFingerprint {
  if (value.length <= FINGERPRINT_BYTES) throw malformed('a service without a name')
  return { fingerprint: value.toString('hex', 0, FINGERPRINT_BYTES), name: utf8(value.subarray(FINGERPRINT_BYTES)) }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function utf8(bytes: Buffer): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw failure('hello-malformed', 'the HELLO of the peer is malformed: text that is not UTF-8', { cause })
  }
}

function take(fields: ReadonlyMap<number, Buffer>, type: number, length: number): Buffer {
  const value = fields.get(type)
  if (value === undefined) throw malformed(`field ${type} is missing`)
  if (value.length !== length) throw malformed(`field ${type} has ${value.length} bytes instead of ${length}`)
  return value
}

function malformed(what: string): Error {
  return failure('hello-malformed', `the HELLO of the peer is malformed: ${what}`)
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function field(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(FIELD_HEAD_BYTES)
  head.writeUInt8(type, 0)
  head.writeUInt16LE(value.length, 1)
  return Buffer.concat([head, value])
}

function pack(fields: readonly Buffer[], maxBodyBytes: number): Buffer[] {
  const bodies: Buffer[] = []
  let open: Buffer[] = []
  let openBytes = 0
  for (const bytes of fields) {
    if (openBytes + bytes.length > maxBodyBytes) {
      bodies.push(Buffer.concat(open))
      open = []
      openBytes = 0
    }
    open.push(bytes)
    openBytes += bytes.length
  }
  bodies.push(Buffer.concat(open))
  return bodies
}
