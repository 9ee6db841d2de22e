// Hot path: runs for every message with a protobuf body.
import protobufjs from 'protobufjs/minimal.js'
import { failure } from '../base/errors.js'
import type { ByteWriter } from '../memory/byte-writer.js'
import type { Codec, DecodeLimits } from './codec.js'
import { ProtobufReader } from './protobuf-reader.js'
import type { VerifyFunction } from './protobuf-value.js'
import { type EncodeFunction, ProtobufWriter } from './protobuf-writer.js'

/** What a message class of a protobufjs static module offers (`pbjs -t static-module -w esm`). */
export interface ProtobufType<T> {
  encode(message: T, writer?: protobufjs.Writer): protobufjs.Writer
  decode(reader: protobufjs.Reader | Uint8Array, length?: number): T
  /** Without it (`--no-verify`) scalars are still checked, and a list or bytes of the wrong kind are left out. */
  verify?(message: unknown): string | null
  /** The full name of the type becomes part of the service's fingerprint. */
  getTypeUrl?(prefix?: string): string
}

/** The parameters that generated code has for itself and does not declare. */
type DecodeFunction = (reader: protobufjs.Reader, length: undefined, endGroup: undefined, depth: number) => unknown

/** As many as it takes to hand in a depth; the code of older generators goes as deep as the message does. */
const DECODE_PARAMETERS = 4

const reader = new ProtobufReader()
const writer = new ProtobufWriter()

/**
 * Messages of one type, as its static code knows them: no reflection, nothing compiled at run time, no schema from a
 * peer.
 *
 * Encoding takes an instance or a plain object of the type's shape. A value that its field cannot hold is
 * `encode-failed`; a 64-bit integer may be a safe number, a bigint or a Long. Bigints cost more than numbers do.
 *
 * Decoding gives an instance. Bytes are Buffers; 64-bit integers are numbers while they are safe and Longs beyond;
 * unknown fields are dropped; absent fields read as the class's defaults, which for 64-bit integers is a Long of 0.
 * `Number(field)` suits all of these.
 *
 * Part of the fingerprint is the type's name and not its fields, so that both sides need not change on one day.
 */
export function protobuf<T>(type: ProtobufType<T>): Codec<T> {
  const encode = type.encode as unknown as EncodeFunction
  const decode = type.decode as unknown as DecodeFunction
  const verify: VerifyFunction = type.verify ?? verifyObject
  checkGenerated(type)
  return {
    name: 'protobuf',
    schema: type.getTypeUrl?.('').replace(/^\//, '') ?? '',
    encode(value: T, out: ByteWriter): void {
      writer.write(value, encode, verify, out)
    },
    decode(bytes: Buffer, start: number, end: number, owned: boolean, limits: DecodeLimits): T {
      reader.begin(bytes, start, end, owned)
      try {
        // Generated code counts up to protobufjs's own limit: it starts as far below that as ours allows.
        return decode(reader, undefined, undefined, protobufjs.Reader.recursionLimit - limits.protobufDepth) as T
      } catch (cause) {
        if (cause instanceof Error && cause.message === 'max depth exceeded') {
          throw failure('protobuf-depth', `protobuf nested deeper than ${limits.protobufDepth} messages`)
        }
        // Without the cause: its text is made of the peer's bytes.
        throw failure('protobuf-malformed', 'the bytes are not a message of this type')
      } finally {
        reader.finish()
      }
    },
  }
}

function verifyObject(message: unknown): string | null {
  return typeof message === 'object' && message !== null ? null : 'object expected'
}

/** Tells when the contract is made that code would decode without a depth limit, or not at all. */
function checkGenerated(type: ProtobufType<unknown>): void {
  const { encode, decode } = type
  if (typeof encode !== 'function' || typeof decode !== 'function' || decode.length < DECODE_PARAMETERS) {
    throw failure(
      'misuse',
      'the type is not a message class of a static module, or one that an old protobufjs-cli made',
    )
  }
  reader.begin(Buffer.alloc(0), 0, 0, false)
  try {
    decode(reader, 0)
  } catch (cause) {
    // Any other error is of the message: an empty one lacks the fields that are required.
    if (!(cause instanceof Error) || cause.message !== 'illegal buffer') return
    throw failure('misuse', 'the type was generated for another copy of protobufjs than this package has')
  }
}
