import { acks } from './ack.js'
import { answers } from './answer.js'
import type { BadFrame } from './bad-frame.js'
import { calls } from './call.js'
import { compressions } from './compression.js'
import { cancels, credits, goodbyes, pings } from './control.js'
import { errors } from './error.js'
import { headers } from './header.js'
import { hellos } from './hello.js'
import { kinds, optionals } from './kind.js'
import { metadatas } from './metadata.js'
import { methods } from './method.js'
import { msgpacks } from './msgpack.js'
import { batches, cutBatches, oneWays } from './one-way.js'
import { parts } from './part.js'
import { prefaces } from './preface.js'
import { protobufs } from './protobuf.js'
import { openers, servers, strays } from './stream.js'
import { opens } from './stream-open.js'

/** The cases, by subject. */
export const SUBJECTS: Readonly<Record<string, readonly BadFrame[]>> = {
  'the preface': prefaces,
  'a HELLO': hellos,
  'the header': headers,
  'a METHOD': methods,
  'a CALL': calls,
  'an ANSWER': answers,
  'an ERROR': errors,
  'a one-way message': oneWays,
  'a batch': [...batches, ...cutBatches],
  acknowledgements: acks,
  compression: compressions,
  msgpack: msgpacks,
  protobuf: protobufs,
  metadata: metadatas,
  'a CANCEL': cancels,
  'PING and PONG': pings,
  'a GO_AWAY': goodbyes,
  'a CREDIT': credits,
  'a STREAM_OPEN': opens,
  'a frame of no stream': strays,
  'a stream that the peer opened': openers,
  'a stream that we opened': servers,
  'a message in parts': parts,
  'optional kinds': optionals,
}

/** All kinds in all states, by a table: too alike to count as cases with a name. */
export const SWEEPS: Readonly<Record<string, readonly BadFrame[]>> = {
  'a frame of each kind': kinds,
}
