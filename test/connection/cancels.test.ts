import { describe, expect, it } from 'vitest'
import { TokenBucket } from '../../src/base/token-bucket.js'
import { Cancels } from '../../src/connection/cancels.js'
import { LIMITS } from '../../src/connection/limits.js'
import { expectNothingLeft, newEnvironment } from './bench.js'

describe('cancels of an end with its defaults', () => {
  it.each([0, 1_000, 7_000])(
    'are no more than any peer takes, also one that reads nothing for the first %i ms',
    (busyMs) => {
      const { clock, environment } = newEnvironment()
      const cancels = new Cancels(environment)
      const peer = new TokenBucket(LIMITS.cancelBurst.min, LIMITS.cancelsPerSecond.min, clock.now())
      const readsFrom = clock.now() + busyMs
      let told = 0
      let refused = 0
      const tell = (): void => {
        told += 1
        if (!peer.take(1, Math.max(clock.now(), readsFrom))) refused += 1
      }
      for (let n = 0; n < 1_000; n += 1) cancels.say({ wanted: () => true, tell }, false)
      for (let passed = 0; passed < 20_000; passed += 10) clock.advance(10)
      expect([told, refused]).toEqual([1_000, 0])
      cancels.close()
      expectNothingLeft(environment, clock)
    },
  )
})
