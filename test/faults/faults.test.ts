import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { calls } from '../../scripts/faults/calls.mjs'
import { cancels } from '../../scripts/faults/cancels.mjs'
import { type Faults, startChaosProxy } from '../../scripts/faults/chaos-proxy.mjs'
import { deadlines } from '../../scripts/faults/deadlines.mjs'
import { clean, Outcomes } from '../../scripts/faults/outcomes.mjs'
import { restarts } from '../../scripts/faults/restarts.mjs'
import { rotations } from '../../scripts/faults/rotations.mjs'
import { soak } from '../../scripts/faults/soak.mjs'
import { TransportError } from '../../src/index.js'

const NOTHING_FOUND = {
  twice: 0,
  succeededWithoutRunning: 0,
  ranAfterNo: 0,
  idleAfterYes: 0,
  wrong: 0,
  unsettled: 0,
  sumIsOff: 0,
}

/** What comes back of what is sent through a proxy to a server that sends back what it gets. */
async function through(faults: Faults, bytes: Buffer): Promise<Buffer | string> {
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {
      // The proxy resets it.
    })
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  const { port } = echo.address() as { port: number }
  const proxy = await startChaosProxy({ targetPort: port, seed: 7, faults })
  const socket: Socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
  const chunks: Buffer[] = []
  let failed: string | undefined
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failed = error.code
  })
  socket.end(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
  await proxy.close()
  await new Promise((resolve) => echo.close(resolve))
  return failed ?? Buffer.concat(chunks)
}

describe('the chaos proxy', () => {
  const bytes = Buffer.from(Array.from({ length: 50_000 }, (_, index) => index * 7))

  it.each([
    ['without faults', {}],
    ['in slices', { slice: 1 }],
    ['late', { latencyMs: 5, slice: 0.2 }],
    ['with stalls', { stall: 0.5 }],
  ])('passes every byte in order %s', async (_name, faults) => {
    expect(await through(faults, bytes)).toEqual(bytes)
  })

  it('resets what it is to reset', async () => {
    expect(await through({ reset: 1, limitBytes: 1_000 }, bytes)).toBe('ECONNRESET')
  })
})

describe('the judge of outcomes', () => {
  const error = (processed: 'no' | 'maybe' | 'yes'): TransportError =>
    new TransportError('', { code: 'UNAVAILABLE', origin: 'network', processed })

  it.each([
    ['a call that ran twice', (one: Outcomes, id: number) => one.succeed(id, true), 2, 'twice'],
    ['an answer without a run', (one: Outcomes, id: number) => one.succeed(id, true), 0, 'succeededWithoutRunning'],
    ['a wrong answer', (one: Outcomes, id: number) => one.succeed(id, false), 1, 'wrong'],
    ['a "no" of what ran', (one: Outcomes, id: number) => one.fail(id, error('no')), 1, 'ranAfterNo'],
    ['a "yes" of what did not', (one: Outcomes, id: number) => one.fail(id, error('yes')), 0, 'idleAfterYes'],
    ['a call that never settled', () => {}, 1, 'unsettled'],
  ] as const)('finds %s', (_name, settle, ran, what) => {
    const outcomes = new Outcomes(1)
    settle(outcomes, outcomes.start())
    const found = outcomes.judge(Uint8Array.of(ran))
    expect([found[what], clean(found)]).toEqual([1, false])
  })

  it('finds nothing where all is well, and believes a "maybe" either way', () => {
    const outcomes = new Outcomes(3)
    outcomes.succeed(outcomes.start(), true)
    outcomes.fail(outcomes.start(), error('maybe'))
    outcomes.fail(outcomes.start(), error('maybe'))
    expect(outcomes.judge(Uint8Array.of(1, 1, 0))).toEqual(NOTHING_FOUND)
  })
})

describe('over real sockets', () => {
  it('certificates are replaced under load, and no call fails', { timeout: 60_000 }, async () => {
    const result = await rotations({ count: 10 })
    expect([result.failures, result.unseen, result.pass]).toEqual([{}, 0, true])
    expect(result.answered).toBeGreaterThanOrEqual(1_000)
  })

  it('the handler of every call and stream that is cancelled is told', { timeout: 60_000 }, async () => {
    const result = await cancels({ count: 3_000 })
    expect([result.untold, result.pass]).toEqual([0, true])
    expect(result.handlersRan).toBeGreaterThan(2_500)
  })
})

describe('what nobody answers', () => {
  it('ends at its deadline and not before, for its caller and its handler', { timeout: 60_000 }, async () => {
    const result = await deadlines({ count: 3_000, seed: 1, judged: false })
    expect([result.early, result.untold, result.pass]).toEqual([0, 0, true])
  })
})

describe('real processes', () => {
  it('have nothing left when clients have come and gone', { timeout: 60_000 }, async () => {
    const { left } = await soak({ seconds: 3, seed: 1 })
    expect(left).toEqual({ connections: 0, buffers: 0, handles: [] })
  })

  it('settle every call once and truly, through a proxy that delays, cuts and resets', {
    timeout: 60_000,
  }, async () => {
    const result = await calls({ count: 5_000, seed: 3, concurrency: 128 })
    expect(result.found).toEqual(NOTHING_FOUND)
    expect(result.succeeded).toBeGreaterThan(4_000)
  })

  it('lose no call when servers are ended by SIGTERM one after the other', { timeout: 60_000 }, async () => {
    const result = await restarts({ count: 4, seed: 1, concurrency: 16 })
    expect([result.found, result.failed, result.lost]).toEqual([NOTHING_FOUND, {}, 0])
  })

  it('say of no call falsely that it did not run when servers are killed', { timeout: 60_000 }, async () => {
    const result = await restarts({ count: 3, seed: 2, signal: 'SIGKILL', concurrency: 16 })
    expect(result.found).toEqual(NOTHING_FOUND)
  })
})
