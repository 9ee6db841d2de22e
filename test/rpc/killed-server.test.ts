import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { type Client, TransportError } from '../../src/index.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const CALLS = 1_000
/** What is said of each attempt is looked at, not what becomes of the call in the end. */
const ONCE = { maxAttempts: 1 }

interface Outcome {
  readonly id: number
  settled: number
  error: TransportError | null
}

async function started(
  stage: Stage,
  address: string,
  record: string,
): Promise<{ child: ChildProcess; address: string }> {
  const child = stage.fork(new URL('../fixtures/recording-server.mjs', import.meta.url), [address, record])
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (message === null || typeof message !== 'object') throw new Error('the server did not start: is dist built?')
  return { child, ...message }
}

async function killed(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

function ran(record: string): Set<number> {
  if (!existsSync(record)) return new Set()
  // The last line may be cut: the process died while it wrote.
  return new Set(readFileSync(record, 'utf8').split('\n').slice(0, -1).map(Number))
}

/** Makes a call, and takes down how it ends. */
function work(client: Client, id: number, delayMs: number, body: Buffer): Outcome {
  const outcome: Outcome = { id, settled: 0, error: null }
  client.call('work', { id, delayMs, body }).then(
    (answer) => {
      expect(answer).toBe(id)
      outcome.settled += 1
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(TransportError)
      outcome.error = error as TransportError
      outcome.settled += 1
    },
  )
  return outcome
}

/** What must be true of every call, however its server ended. */
function judge(outcomes: readonly Outcome[], recorded: ReadonlySet<number>): void {
  expect(outcomes.filter(({ settled }) => settled !== 1)).toEqual([])
  const lies = outcomes.filter(({ id, error }) => error?.processed === 'no' && recorded.has(id))
  expect(lies.map(({ id }) => id)).toEqual([])
  const unrecorded = outcomes.filter(({ id, error }) => error === null && !recorded.has(id))
  expect(unrecorded).toEqual([])
  for (const { error } of outcomes) {
    if (error !== null)
      expect(error).toMatchObject({ code: expect.stringMatching(/^(UNAVAILABLE|RESOURCE_EXHAUSTED)$/) })
  }
}

/** Moves time on in small steps, with turns for the sockets in between. */
async function pass(clock: VirtualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 20) {
    clock.advance(20)
    for (let turns = 0; turns < 4; turns += 1) await turn()
  }
}

async function roundOf(stage: Stage, seed: number): Promise<void> {
  const random = seededRandom(seed)
  const clock = new VirtualClock()
  const record = `${stage.socketPath()}.ran`
  const { child, address } = await started(stage, 'tcp://127.0.0.1:0', record)
  const client = stage.client(address, { clock, pool: { min: 2 }, limits: { maxOpenCalls: 4_096 }, retry: ONCE })
  await until(() => client.info().pool.ready === 2)
  const outcomes: Outcome[] = []
  const killAt = Math.floor(random.next() * CALLS)
  for (let id = 0; id < CALLS; id += 1) {
    const body = Buffer.alloc(Math.floor(random.next() ** 8 * 60_000))
    outcomes.push(work(client, id, random.next() < 0.5 ? 0 : 5_000, body))
  }
  await until(() => ran(record).size >= killAt)
  await killed(child)
  await until(() => outcomes.every(({ settled }) => settled > 0))
  judge(outcomes, ran(record))
  expect(outcomes.some(({ error }) => error?.processed === 'maybe')).toBe(true)
  // Away for three seconds of the client's time: dials fail, and pauses grow to their longest.
  await pass(clock, 3_000)
  const dialsBefore = client.metrics().dialsStarted
  const again = await started(stage, address, record)
  await pass(clock, 1_000)
  await until(() => client.info().pool.ready === 2)
  expect(client.metrics().dialsStarted - dialsBefore).toBeLessThanOrEqual(4)
  expect(await client.call('work', { id: CALLS, delayMs: 0 })).toBe(CALLS)
  expect(client.info().pool.borrowed).toBe(0)
  await killed(again.child)
}

describe(`a server that is killed under ${CALLS} calls`, () => {
  it.for([1, 2, 3, 4, 5, 6])(
    'has each settled once, never called unprocessed what it ran, and the pool is whole within a second of its return (seed %i)',
    (seed, { stage }) => roundOf(stage, seed),
  )

  it('had not got those whose bytes were never handed over, and they say so', async ({ stage }) => {
    const clock = new VirtualClock()
    const path = stage.socketPath()
    const record = `${path}.ran`
    const { child } = await started(stage, `unix:${path}`, record)
    const client = stage.client(`unix:${path}`, {
      clock,
      compression: { algorithm: 'none' },
      pool: { max: 1 },
      retry: ONCE,
    })
    await client.connect()
    const frozen = expect(client.call('freeze', null)).rejects.toMatchObject({ processed: 'maybe' })
    await until(() => existsSync(record) && readFileSync(record, 'utf8').includes('frozen'))
    const body = Buffer.alloc(64 * 1024)
    const outcomes = Array.from({ length: CALLS }, (_, id) => work(client, id, 0, body))
    await turn()
    // 64 MB: more than the kernel takes, and more than limits.maxQueuedBytes lets us keep.
    const refused = outcomes.filter(({ error }) => error?.reason === 'queue-full')
    expect(refused.length).toBeGreaterThan(0)
    await killed(child)
    await until(() => outcomes.every(({ settled }) => settled > 0))
    await frozen
    judge(outcomes, ran(record))
    const count = (wanted: string): number => outcomes.filter(({ error }) => error?.processed === wanted).length
    expect([count('no') > refused.length, count('maybe') > 0, count('yes')]).toEqual([true, true, 0])
  })
})
