import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, vi } from 'vitest'
import { type Closable, closeOnSignal } from '../../src/index.js'
import { deferred } from '../fixtures/deferred.js'
import { it, type Stage, turn } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

async function started(stage: Stage, graceMs: number): Promise<{ child: ChildProcess; address: string }> {
  const child = stage.fork(new URL('../fixtures/draining-server.mjs', import.meta.url), [`${graceMs}`])
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (message === null || typeof message !== 'object') throw new Error('the server did not start: is dist built?')
  return { child, ...message }
}

describe('closeOnSignal', () => {
  it('lets what runs end, and then the process ends by the signal', async ({ stage }) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const { child, address } = await started(stage, 60_000)
      const client = stage.client(address, { pool: { min: 0, max: 1 } })
      const call = client.call('work', 200)
      await once(child, 'message')
      const exit = once(child, 'exit')
      child.kill(signal)
      expect(await call).toBe(200)
      expect(await exit).toEqual([null, signal])
    }
  })

  it('cuts what runs when the grace is over', async ({ stage }) => {
    const { child, address } = await started(stage, 50)
    const call = stage.client(address, { pool: { min: 0, max: 1 } }).call('stuck', null)
    await once(child, 'message')
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE', processed: 'maybe' })
    expect(await exit).toEqual([null, 'SIGTERM'])
  })

  it('cuts the grace short on a second signal', async ({ stage }) => {
    const { child, address } = await started(stage, 3_600_000)
    const client = stage.client(address, { pool: { min: 0, max: 1 } })
    const call = client.call('stuck', null)
    await once(child, 'message')
    const draining = new Promise<void>((resolve) => {
      client.watch(({ state }) => {
        if (state === 'draining') resolve()
      })
    })
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    await draining
    child.kill('SIGTERM')
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE', processed: 'maybe' })
    expect(await exit).toEqual([null, 'SIGTERM'])
  })

  it('can be taken back, and does nothing then', async () => {
    const before = process.listenerCount('SIGTERM')
    let closed = false
    const takeBack = closeOnSignal({
      close: async () => {
        closed = true
      },
    })
    expect(process.listenerCount('SIGTERM')).toBe(before + 1)
    takeBack()
    await turn()
    expect([process.listenerCount('SIGTERM'), closed]).toEqual([before, false])
  })

  it.each([
    [{ signals: 'SIGTERM' }, 'option signals must be a list, got a value of type string'],
    [
      { signals: ['SIGKILL'] },
      "option signals[0] must be one of 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGBREAK', got 'SIGKILL'",
    ],
    [{ graceMs: -1 }, 'option graceMs must be between 0 and 86400000, got -1'],
  ])('says what is wrong with the options %j', (options, message) => {
    expect(() => closeOnSignal([], options as object)).toThrow(message)
  })
})

/** Closes when it is told to, and takes down the grace that it was given each time. */
class Slow implements Closable {
  readonly graces: (number | undefined)[] = []
  readonly closed = deferred<void>()

  close({ graceMs }: { graceMs?: number } = {}): Promise<void> {
    this.graces.push(graceMs)
    return this.closed.promise
  }
}

describe('several closeOnSignal in one process', () => {
  const SIGNAL = 'SIGHUP'
  const options = { signals: [SIGNAL], clock: new VirtualClock() } as const

  /** Takes the signals down that the process gets from us, and hands them to whoever still listens. */
  function ownSignals(): string[] {
    const sent: string[] = []
    vi.spyOn(process, 'kill').mockImplementation((pid, signal) => {
      expect(pid).toBe(process.pid)
      sent.push(String(signal))
      process.emit(SIGNAL, SIGNAL)
      return true
    })
    return sent
  }

  it('end it when the last of them is done, and none hurries another', async () => {
    const sent = ownSignals()
    const [first, second] = [new Slow(), new Slow()]
    closeOnSignal(first, options)
    closeOnSignal(second, { ...options, graceMs: 60_000 })
    process.emit(SIGNAL, SIGNAL)
    expect([first.graces, second.graces]).toEqual([[10_000], [60_000]])
    first.closed.resolve()
    await turn()
    expect([sent, second.graces]).toEqual([[], [60_000]])
    second.closed.resolve()
    await turn()
    expect([sent, first.graces, second.graces]).toEqual([[SIGNAL], [10_000], [60_000]])
    expect(process.listenerCount(SIGNAL)).toBe(0)
  })

  it('are hurried by a second signal, those that are done excepted', async () => {
    const sent = ownSignals()
    const [first, second] = [new Slow(), new Slow()]
    closeOnSignal(first, options)
    closeOnSignal(second, options)
    process.emit(SIGNAL, SIGNAL)
    first.closed.resolve()
    await turn()
    process.emit(SIGNAL, SIGNAL)
    expect([first.graces, second.graces]).toEqual([[10_000], [10_000, 0]])
    second.closed.resolve()
    await turn()
    expect([sent, process.listenerCount(SIGNAL)]).toEqual([[SIGNAL], 0])
  })

  it('stay in force where one is taken back', async () => {
    const sent = ownSignals()
    const [first, second] = [new Slow(), new Slow()]
    const takeBack = closeOnSignal(first, options)
    closeOnSignal(second, options)
    takeBack()
    process.emit(SIGNAL, SIGNAL)
    second.closed.resolve()
    await turn()
    expect([first.graces, second.graces, sent]).toEqual([[], [10_000], [SIGNAL]])
    expect(process.listenerCount(SIGNAL)).toBe(0)
  })

  it('wait for one that was taken back while it closed', async () => {
    const sent = ownSignals()
    const [first, second] = [new Slow(), new Slow()]
    const takeBack = closeOnSignal(first, options)
    closeOnSignal(second, options)
    process.emit(SIGNAL, SIGNAL)
    takeBack()
    second.closed.resolve()
    await turn()
    expect(sent).toEqual([])
    first.closed.resolve()
    await turn()
    expect([sent, process.listenerCount(SIGNAL)]).toEqual([[SIGNAL], 0])
  })

  it('are closed in good order as well where one is made while others close: our signal is its first', async () => {
    const sent = ownSignals()
    const [first, late] = [new Slow(), new Slow()]
    closeOnSignal(first, options)
    process.emit(SIGNAL, SIGNAL)
    closeOnSignal(late, options)
    first.closed.resolve()
    await turn()
    expect([sent, late.graces]).toEqual([[SIGNAL], [10_000]])
    late.closed.resolve()
    await turn()
    expect([sent, process.listenerCount(SIGNAL)]).toEqual([[SIGNAL, SIGNAL], 0])
  })
})
