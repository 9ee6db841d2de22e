import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { PLANTS, timesFound } from '../../scripts/plants.mjs'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** Whether it said that all is well, and what it said. */
function sim(...args: readonly string[]): Promise<{ readonly out: string; readonly ok: boolean }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['scripts/sim.mjs', ...args], { cwd: project }, (error, stdout, stderr) => {
      resolve({ out: `${stdout}${stderr}`, ok: error === null })
    })
  })
}

describe('the simulator', () => {
  it('plays the first 60 seeds, and no promise is broken', async () => {
    const { out, ok } = await sim('--seeds', '60')
    expect(out).toContain('0 seeds broke a promise')
    expect(ok).toBe(true)
  }, 120_000)

  it('refuses to play no seeds: that would break nothing', async () => {
    const { out, ok } = await sim('--seeds', '0')
    expect(out).toContain('--seeds takes a whole number over 0, got 0')
    expect(ok).toBe(false)
  })

  it('plays a seed again event by event', async () => {
    const [first, second] = [await sim('--seed', '11'), await sim('--seed', '11', '--trace')]
    const hashOf = (out: string): string | undefined => /"hash":"([0-9a-f]{16})"/.exec(out)?.[1]
    expect(hashOf(first.out)).toBeDefined()
    expect(hashOf(second.out)).toBe(hashOf(first.out))
  }, 120_000)

  it('can plant every one of its bugs', async () => {
    // Builds what is planted into.
    await sim('--seed', '1')
    const built = fileURLToPath(new URL('../../.sim/build/src', import.meta.url))
    expect(PLANTS.filter((plant) => timesFound(plant, built) !== 1)).toEqual([])
    expect(PLANTS.length).toBeGreaterThanOrEqual(40)
  }, 120_000)

  it('catches a planted bug, and prints the command that plays the seed again', async () => {
    const name = 'go-away-id-off-by-one'
    const { out, ok } = await sim('--plant', name, '--seeds', '60')
    expect(out).toContain('1 of 1 planted bugs were caught')
    expect(ok).toBe(true)
    const seed = /seed +(\d+)/.exec(out)?.[1] ?? ''
    const replay = await sim('--plant', name, '--seed', seed)
    expect(replay.ok).toBe(false)
    expect(replay.out).toContain(`npm run sim -- --plant ${name} --seed ${seed} --trace`)
  }, 120_000)
})
