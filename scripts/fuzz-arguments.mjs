import { readArguments } from './arguments.mjs'

export const TARGETS = ['framer', 'hello', 'lz4', 'msgpack', 'protobuf', 'streams', 'connection']

const USAGE = `npm run fuzz -- TARGET --seconds N [--seed S]     looks for findings, and keeps inputs that reach new code
npm run fuzz -- TARGET --once                     runs the kept inputs once; "all" for every target
npm run fuzz -- TARGET --minimise                 keeps the least inputs that reach as much
npm run fuzz -- TARGET --replay FILE              runs one input
targets: ${TARGETS.join(', ')}`

/** What a run of the fuzzer is asked for. */
export function readFuzzArguments(args) {
  return readArguments(USAGE, {
    args,
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      once: { type: 'boolean', default: false },
      minimise: { type: 'boolean', default: false },
      replay: { type: 'string' },
    },
  })
}
