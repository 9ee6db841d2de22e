import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const project = fileURLToPath(new URL('../..', import.meta.url))

function sim(...args: readonly string[]): { readonly out: string; readonly ok: boolean } {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['scripts/sim.mjs', ...args], {
    cwd: project,
    encoding: 'utf8',
  })
  return { out: `${stdout}${stderr}`, ok: status === 0 }
}

describe('the simulator', () => {
  it('plays the first 150 seeds, and no promise is broken', () => {
    const { out, ok } = sim('--seeds', '150')
    expect(out).toContain('0 seeds broke a promise')
    expect(ok).toBe(true)
  }, 60_000)

  it('plays a seed again event by event', () => {
    const [first, second] = [sim('--seed', '11'), sim('--seed', '11', '--trace')]
    const hashOf = (out: string): string | undefined => /"hash":"([0-9a-f]{16})"/.exec(out)?.[1]
    expect(hashOf(first.out)).toBeDefined()
    expect(hashOf(second.out)).toBe(hashOf(first.out))
  }, 30_000)

  it('catches a planted bug, and prints the command that plays the seed again', () => {
    const name = 'go-away-id-off-by-one'
    const { out, ok } = sim('--plant', name, '--seeds', '20')
    expect(out).toContain('1 of 1 planted bugs were caught')
    expect(ok).toBe(true)
    const seed = /seed +(\d+)/.exec(out)?.[1] ?? ''
    const replay = sim('--plant', name, '--seed', seed)
    expect(replay.ok).toBe(false)
    expect(replay.out).toContain(`npm run sim -- --plant ${name} --seed ${seed} --trace`)
  }, 60_000)
})
