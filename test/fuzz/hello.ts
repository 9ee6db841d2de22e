import { isDeepStrictEqual } from 'node:util'
import { TransportError } from '../../src/base/errors.js'
import { decodeHello, encodeHello } from '../../src/wire/hello.js'
import { judgePreface } from '../../src/wire/preface.js'
import { attempt, hold } from './broken.js'

const REASONS: readonly (string | undefined)[] = ['hello-malformed', 'not-this-protocol', 'version-mismatch']

/** A HELLO that is taken says the same when it is said again, in one frame or in many. */
export function fuzz(input: Uint8Array): void {
  const bytes = Buffer.from(input)
  const judged = judgePreface(bytes)
  hold(judged === null || judged === 1 || REASONS.includes((judged as TransportError).reason), 'the preface')
  const read = attempt(() => decodeHello(bytes))
  if (read instanceof TransportError) {
    hold(REASONS.includes(read.reason), `a HELLO refused for ${read.reason}`)
    return
  }
  const hello = read.value
  hold(Buffer.byteLength(hello.peerId) >= 1 && Buffer.byteLength(hello.peerId) <= 128, 'the peer id')
  hold(Math.min(hello.maxFrameBytes, hello.maxMessageBytes) >= 1_024, 'limits that nothing fits into')
  hold(isDeepStrictEqual(decodeHello(Buffer.concat(encodeHello(hello, 60_000))), hello), 'said again, it is another')
  hold(isDeepStrictEqual(decodeHello(Buffer.concat(encodeHello(hello, 64))), hello), 'in pieces, it is another')
}
