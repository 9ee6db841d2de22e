import { describe, expect, it } from 'vitest'
import { type Random, seededRandom } from '../../src/base/random.js'
import { TimerWheel } from '../../src/base/timer-wheel.js'
import { DialGate, type DialPass } from '../../src/pool/dial-gate.js'
import { type PoolOptions, poolRules } from '../../src/pool/options.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** Resolution of the timers. */
const TICK_MS = 2

const shortest: Random = { ...seededRandom(0), next: () => 0 }

/** A gate, and the moments at which it let somebody through. */
function stage(options: Partial<PoolOptions> = {}, random: Random = seededRandom(1)) {
  const clock = new VirtualClock()
  const wheel = new TimerWheel(clock)
  const gate = new DialGate({ clock, wheel, random }, poolRules.parse(options, 'pool'))
  const admitted: number[] = []
  const ask = (times: number, then: (pass: DialPass) => void = () => {}) => {
    for (let asked = 0; asked < times; asked += 1) {
      void gate.enter().then((pass) => {
        admitted.push(clock.now())
        then(pass)
      })
    }
  }
  return { clock, wheel, gate, admitted, ask }
}

/** The pauses between dials that all fail at once, and the gate's count of them. */
async function pauses(count: number, options: Partial<PoolOptions>, random: Random): Promise<number[]> {
  const { clock, gate, admitted, ask } = stage(options, random)
  ask(count + 1, (pass) => gate.failed(pass))
  await clock.advanceAsync(1_000_000)
  expect(gate.failures).toBe(count + 1)
  return admitted.slice(1).map((at, index) => at - (admitted[index] ?? Number.NaN))
}

describe('an endpoint that nobody has reached yet', () => {
  it('gets one dial, however many are wanted', async () => {
    const { clock, wheel, admitted, ask } = stage()
    ask(100)
    await clock.advanceAsync(60_000)
    expect(admitted).toEqual([0])
    expect(wheel.armed).toBe(0)
  })

  it.each([
    ['with the shortest pauses there are', shortest],
    ['by chance', seededRandom(7)],
  ])('is dialled at most 5 times in its first second, whatever is asked: %s', async (_, random) => {
    const { clock, wheel, gate, admitted, ask } = stage({}, random)
    // Whoever failed asks again at once, as generic-pool does, and others keep coming.
    const again = (pass: DialPass) => {
      gate.failed(pass)
      ask(1, again)
    }
    for (let now = 0; now < 1_000; now += 10) {
      ask(10, again)
      await clock.advanceAsync(10)
    }
    const first = admitted.filter((at) => at < 1_000)
    expect(first.length).toBeLessThanOrEqual(5)
    expect(first.length).toBeGreaterThanOrEqual(3)
    gate.close()
    expect(wheel.armed).toBe(0)
  })
})

describe('the pause after a failure', () => {
  it('doubles, between half of it and all of it, up to the cap', async () => {
    const fulls = [100, 200, 400, 800, 1_000, 1_000, 1_000]
    for (let seed = 0; seed < 20; seed += 1) {
      const random = seededRandom(seed)
      const taken = await pauses(fulls.length, { minBackoffMs: 100, maxBackoffMs: 1_000 }, random)
      taken.forEach((pause, index) => {
        const full = fulls[index] ?? Number.NaN
        expect(pause).toBeGreaterThanOrEqual(full / 2)
        expect(pause).toBeLessThanOrEqual(full + TICK_MS)
      })
    }
  })

  it('is spread over that half, so that many clients do not come back in step', async () => {
    const taken = await pauses(400, { minBackoffMs: 1_000, maxBackoffMs: 1_000 }, seededRandom(5))
    const quarters = [0, 0, 0, 0]
    for (const pause of taken) {
      const quarter = Math.min(3, Math.floor((pause - 500) / 125))
      quarters[quarter] = (quarters[quarter] ?? 0) + 1
    }
    for (const count of quarters) expect(count).toBeGreaterThan(60)
  })

  it('stays at the cap after thousands of failures', async () => {
    const taken = await pauses(1_100, { minBackoffMs: 1, maxBackoffMs: 400 }, shortest)
    expect(new Set(taken.slice(-1_000))).toEqual(new Set([200]))
  })

  it('starts over after a success that lasted', async () => {
    const { clock, gate, admitted, ask } = stage({}, shortest)
    ask(4, (pass) => gate.failed(pass))
    await clock.advanceAsync(10_000)
    ask(1, (pass) => gate.succeeded(pass))
    await clock.advanceAsync(800)
    expect(gate.failures).toBe(0)
    const from = clock.now()
    gate.doubt()
    ask(1, (pass) => gate.failed(pass))
    ask(1)
    await clock.advanceAsync(1_000)
    expect(admitted.slice(-2)).toEqual([from, from + 50])
  })
})

describe('a success', () => {
  it('lets everybody through, those who wait and those who come', async () => {
    const { clock, wheel, gate, admitted, ask } = stage()
    ask(10)
    await clock.advanceAsync(0)
    expect(admitted).toHaveLength(1)
    gate.succeeded('probe')
    await clock.advanceAsync(0)
    expect(admitted).toHaveLength(10)
    ask(10)
    await clock.advanceAsync(0)
    expect(admitted).toHaveLength(20)
    expect(wheel.armed).toBe(0)
  })

  it('is doubted when a connection is lost: the next dial is a probe, and only its success opens again', async () => {
    const { clock, gate, admitted, ask } = stage()
    ask(1, (pass) => gate.succeeded(pass))
    await clock.advanceAsync(0)
    gate.doubt()
    ask(10)
    await clock.advanceAsync(60_000)
    expect(admitted).toHaveLength(2)
    gate.succeeded('probe')
    await clock.advanceAsync(0)
    expect(admitted).toHaveLength(11)
  })
})

describe('a connection that is lost', () => {
  /** The pauses after connections that each lasted so long. */
  async function pausesAfter(lastedMs: number, count: number): Promise<number[]> {
    const { clock, gate, admitted, ask } = stage({ minBackoffMs: 100, maxBackoffMs: 800 }, shortest)
    const lostAt: number[] = []
    for (let lost = 0; lost < count; lost += 1) {
      ask(1, (pass) => gate.succeeded(pass))
      while (admitted.length <= lost) await clock.advanceAsync(1)
      await clock.advanceAsync(lastedMs)
      lostAt.push(clock.now())
      gate.doubt()
    }
    ask(1)
    await clock.advanceAsync(10_000)
    gate.close()
    return admitted.slice(1).map((at, index) => at - (lostAt[index] ?? Number.NaN))
  }

  it('at once makes the next dial wait as a failure does, longer each time, from the second one on', async () => {
    expect(await pausesAfter(0, 5)).toEqual([0, 100, 200, 400, 400])
  })

  it('makes the next wait also where another is ready just then, of several that are lost in turn', async () => {
    const { clock, gate, admitted, ask } = stage({}, shortest)
    // Two connections: whenever one is lost, the other has just been made, and the lost one is wanted again.
    const lose = (): void => {
      clock.setTimer(() => {
        gate.doubt()
        ask(1, make)
      }, 5)
    }
    const make = (pass: DialPass): void => {
      clock.setTimer(() => {
        gate.succeeded(pass)
        lose()
      }, 7)
    }
    ask(2, make)
    for (let now = 0; now < 1_000; now += 1) await clock.advanceAsync(1)
    expect(admitted.length).toBeLessThanOrEqual(12)
  })

  it('after it has lasted is made again without a pause', async () => {
    expect(await pausesAfter(800, 5)).toEqual([0, 0, 0, 0, 0])
  })
})

describe('a gate that is closed', () => {
  it.each([
    ['who waits for a probe', () => {}],
    ['who waits for the end of a pause', (gate: DialGate) => gate.failed('probe')],
  ])('admits nobody %s, and leaves no timer', async (_, before) => {
    const { clock, wheel, gate, admitted, ask } = stage()
    ask(10)
    await clock.advanceAsync(0)
    before(gate)
    gate.close()
    expect(wheel.armed).toBe(0)
    await clock.advanceAsync(60_000)
    expect(admitted).toEqual([0])
  })

  it.each([
    ['succeeds', (gate: DialGate) => gate.succeeded('probe')],
    ['fails', (gate: DialGate) => gate.failed('probe')],
  ])('admits nobody who comes later, and arms nothing when the dial under way %s', async (_, outcome) => {
    const { clock, wheel, gate, admitted, ask } = stage()
    ask(2)
    await clock.advanceAsync(0)
    gate.close()
    outcome(gate)
    ask(10)
    expect(wheel.armed).toBe(0)
    await clock.advanceAsync(60_000)
    expect(admitted).toEqual([0])
  })
})

describe('dials that end late', () => {
  /** A gate that let ten through while all was well, then lost a connection, and has a probe under way. */
  async function doubted() {
    const made = stage({ minBackoffMs: 100, maxBackoffMs: 800 }, shortest)
    const { clock, gate, admitted, ask } = made
    ask(1, (pass) => gate.succeeded(pass))
    const passes: DialPass[] = []
    ask(10, (pass) => passes.push(pass))
    await clock.advanceAsync(0)
    gate.doubt()
    ask(10)
    await clock.advanceAsync(60_000)
    expect([passes.length, admitted.length]).toEqual([10, 12])
    return { ...made, passes }
  }

  it('make no room for a second probe beside the first, when they fail', async () => {
    const { clock, gate, admitted, passes } = await doubted()
    for (const pass of passes) {
      gate.failed(pass)
      await clock.advanceAsync(60_000)
    }
    expect(admitted).toHaveLength(12)
    // The probe itself does, after its pause.
    gate.failed('probe')
    await clock.advanceAsync(60_000)
    expect(admitted).toHaveLength(13)
    gate.close()
  })

  it('say that all is well when they succeed, and a probe under way stays the only one when it is doubted again', async () => {
    const { clock, gate, admitted, passes, ask } = await doubted()
    gate.succeeded(passes[0] as DialPass)
    await clock.advanceAsync(0)
    expect(admitted).toHaveLength(21)
    gate.doubt()
    ask(5)
    await clock.advanceAsync(60_000)
    expect(admitted).toHaveLength(21)
    gate.succeeded('probe')
    await clock.advanceAsync(0)
    expect(admitted).toHaveLength(26)
  })
})

describe('the circuit', () => {
  it('is open in a pause, half open while a probe is under way after it, and closed when all is well', async () => {
    const { clock, gate, ask } = stage({ minBackoffMs: 100 }, shortest)
    expect(gate.circuit).toBe('closed')
    ask(1, (pass) => gate.failed(pass))
    await clock.advanceAsync(0)
    expect(gate.circuit).toBe('open')
    ask(1)
    await clock.advanceAsync(100)
    expect(gate.circuit).toBe('half-open')
    gate.succeeded('probe')
    expect(gate.circuit).toBe('closed')
  })
})
