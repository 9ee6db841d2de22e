/** The bytes of the protocol, for tools and tests. Unstable: may change in any release. */
export { BufferPool } from './memory/buffer-pool.js'
export { Ledger } from './memory/ledger.js'
export { messageEnd } from './wire/batch.js'
export { decodeFault, encodeFault, type Fault } from './wire/fault.js'
export { FLAG, HEADER_BYTES, KIND, LENGTH_BYTES, OPTIONAL_KINDS_FROM } from './wire/frame.js'
export { FrameReader, type FrameSink } from './wire/frame-reader.js'
export { decodeHello, encodeHello, type HelloFields, type ServiceFingerprint } from './wire/hello.js'
export { judgePreface, PREFACE_BYTES, preface, VERSIONS } from './wire/preface.js'
