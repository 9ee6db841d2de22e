import { FLAG, KIND } from '../../src/wire/frame.js'
import { errorFrame, frame, u32 } from '../fixtures/raw-peer.js'
import { type BadFrame, bad, beginnings, type Outcome, toClient, u16 } from './bad-frame.js'

const MALFORMED = { ends: 'frame-malformed' } as const
/** INTERNAL: a call that fails so is not made again. */
const REFUSED = 13

interface Words {
  readonly processed?: number
  readonly retryAfterMs?: number
  readonly reason?: string
  readonly message?: string | Buffer
  readonly reasonBytes?: number
  readonly messageBytes?: number
}

/** A fault that may say anything, and lie about its lengths. */
export function fault(words: Words = {}): Buffer {
  const reason = Buffer.from(words.reason ?? 'gone', 'latin1')
  const message = Buffer.from(words.message ?? 'no')
  return Buffer.concat([
    Buffer.of(words.processed ?? 0),
    u32(words.retryAfterMs ?? 0),
    Buffer.of(words.reasonBytes ?? reason.length),
    reason,
    u16(words.messageBytes ?? message.length),
    message,
  ])
}

/** An ERROR for a call of ours. */
function failing(name: string, body: Buffer, then: Outcome, aux = REFUSED, flags = 0): BadFrame {
  return toClient(name, async (scene) => frame(KIND.ERROR, { flags, aux, id: await scene.pending(), body }), then)
}

/** Faults that cannot be read, wherever they stand. */
export const BAD_FAULTS: readonly (readonly [string, Buffer])[] = [
  ...beginnings(fault()).map((body): [string, Buffer] => [`cut after ${body.length} bytes`, body]),
  ['with a byte behind it', Buffer.concat([fault(), Buffer.of(0)])],
  ['that says 3 where it says whether the work was done', fault({ processed: 3 })],
  ['that says 255 where it says whether the work was done', fault({ processed: 255 })],
  ['whose reason has 65 bytes', fault({ reason: 'r'.repeat(65) })],
  ['whose reason has 255 bytes', fault({ reason: 'r'.repeat(255) })],
  ['whose reason ends after it', fault({ reasonBytes: 64 })],
  ['whose message has 257 bytes', fault({ message: 'm'.repeat(257) })],
  ['whose message has 60,000 bytes', fault({ message: 'm'.repeat(60_000) })],
  ['whose message ends after it', fault({ messageBytes: 3 })],
  ['whose message ends before it', fault({ messageBytes: 1 })],
  ['whose message says 65,535', fault({ messageBytes: 0xffff })],
]

const TOLD = { told: 'INTERNAL' } as const

export const errors: readonly BadFrame[] = [
  ...BAD_FAULTS.map(([name, body]) =>
    bad(`a fault ${name}`, frame(KIND.ERROR, { aux: REFUSED, id: 1, body }), MALFORMED),
  ),
  failing('a fault of the least bytes', fault({ reason: '', message: '' }), TOLD),
  failing(
    'a reason of 64 bytes and a message of 256',
    fault({ reason: 'r'.repeat(64), message: 'm'.repeat(256) }),
    TOLD,
  ),
  failing('a reason of ours', fault({ reason: 'queue-full' }), TOLD),
  failing('a reason that is __proto__', fault({ reason: '__proto__' }), TOLD),
  failing('a reason that is constructor', fault({ reason: 'constructor' }), TOLD),
  failing('a message that is not UTF-8', fault({ message: Buffer.from('fffe80', 'hex') }), TOLD),
  failing('a message that would colour a terminal', fault({ message: '\x1b[31mred\r\n' }), TOLD),
  failing('a retry in 2^32 - 1 ms', fault({ retryAfterMs: 0xffff_ffff }), TOLD),
  failing('status 0', fault(), { told: 'UNKNOWN' }, 0),
  failing('status 17', fault(), { told: 'UNKNOWN' }, 17),
  failing('status 65,535', fault(), { told: 'UNKNOWN' }, 0xffff),
  failing('an error that is compressed', fault(), { ends: 'compression-forbidden' }, REFUSED, FLAG.COMPRESSED),
  failing('an error in parts', fault(), MALFORMED, REFUSED, FLAG.MORE),
  toClient(
    'an error for a call that is over, in the same write',
    async (scene) => {
      const id = await scene.pending()
      return Buffer.concat([errorFrame(id, 'no'), errorFrame(id, 'no')])
    },
    { ends: 'answer-unknown' },
  ),
]
