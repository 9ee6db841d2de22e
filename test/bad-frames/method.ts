import { FLAG, KIND } from '../../src/wire/frame.js'
import { frame, methodFrame } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, MAX_U32 } from './bad-frame.js'
import { LIMITS, METHODS } from './target.js'

const KNOWN = Object.keys(METHODS).length
const NEXT = KNOWN + 1
const MALFORMED = { ends: 'frame-malformed' } as const
const NO_NAME = { ends: 'name-malformed' } as const

/** As many METHOD frames with new names. */
function many(count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => methodFrame(NEXT + index, `more-${index}`)))
}

export const methods: readonly BadFrame[] = [
  bad('the number 0', methodFrame(0, 'more'), MALFORMED),
  bad('a number again', methodFrame(1, 'echo'), MALFORMED),
  bad('a number again, for another name', methodFrame(1, 'other'), MALFORMED),
  bad('the last number again', methodFrame(KNOWN, 'more'), MALFORMED),
  bad('a number left out', methodFrame(NEXT + 1, 'more'), MALFORMED),
  bad('the largest number', methodFrame(0xffff, 'more'), MALFORMED),
  bad('a name again, with the next number', methodFrame(NEXT, 'echo'), 'goes on'),
  bad('a name of a byte', methodFrame(NEXT, 'm'), 'goes on'),
  bad('a name of 128 bytes', methodFrame(NEXT, 'm'.repeat(128)), 'goes on'),
  bad('a name of 129 bytes', methodFrame(NEXT, 'm'.repeat(129)), NO_NAME),
  bad('a name of 60,000 bytes', methodFrame(NEXT, 'm'.repeat(60_000)), NO_NAME),
  bad('no name', methodFrame(NEXT, ''), NO_NAME),
  bad('a name with a space', methodFrame(NEXT, 'a b'), NO_NAME),
  bad('a name with a line end', methodFrame(NEXT, 'more\n'), NO_NAME),
  bad('a name with a zero', methodFrame(NEXT, 'more\0'), NO_NAME),
  bad('a name with a colon', methodFrame(NEXT, 'a:b'), NO_NAME),
  bad('a name with a letter beyond ASCII', methodFrame(NEXT, 'm\xe9thode'), NO_NAME),
  bad('a name of a control character', methodFrame(NEXT, '\x1b[31m'), NO_NAME),
  bad('a name that is __proto__', methodFrame(NEXT, '__proto__'), 'goes on'),
  bad('a name of dots and slashes', methodFrame(NEXT, '../../etc/passwd'), 'goes on'),
  bad('as many names as may be', many(LIMITS.maxMethods - KNOWN), 'goes on'),
  bad('a name more than may be', many(LIMITS.maxMethods - KNOWN + 1), { ends: 'too-many-methods' }),
  bad('an id where there is none', frame(KIND.METHOD, { aux: NEXT, id: MAX_U32, body: Buffer.from('m') }), 'goes on'),
  bad('a name that is compressed', frame(KIND.METHOD, { aux: NEXT, flags: FLAG.COMPRESSED, body: Buffer.from('m') }), {
    ends: 'compression-forbidden',
  }),
  bad('a name in parts', frame(KIND.METHOD, { aux: NEXT, flags: FLAG.MORE, body: Buffer.from('m') }), MALFORMED),
]
