import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect } from 'vitest'
import { closeOnSignal } from '../../src/index.js'
import { it, type Stage, turn } from '../fixtures/stage.js'

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
