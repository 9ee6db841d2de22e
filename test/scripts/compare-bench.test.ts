import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'

const script = fileURLToPath(new URL('../../scripts/compare-bench.mjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'alys-transport-compare-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0

/** A report of one cell: calls a second by subject. */
function report(speeds: Readonly<Record<string, number>>, suite = 'echo'): string {
  const place = { suite, workload: '32 B unary', data: 'fixed', concurrency: 64, payloadBytes: 32 }
  const results = Object.entries(speeds).map(([subject, perSecond]) => ({ ...place, subject, perSecond }))
  files += 1
  const file = join(folder, `${files}.json`)
  writeFileSync(file, JSON.stringify({ results }))
  return file
}

async function compared(...args: string[]): Promise<{ code: number; output: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script, ...args])
    return { code: 0, output: stdout }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, output: stdout + stderr }
  }
}

describe('two reports of a benchmark', () => {
  it('are compared in parts of their floors: a slower machine is no slower library', async () => {
    const { code, output } = await compared(report({ alys: 500, floor: 1_000 }), report({ alys: 260, floor: 500 }))
    expect([code, output]).toEqual([0, expect.stringContaining('x1.04')])
  })

  it.each([
    [91, 0],
    [89, 1],
  ])('pass where the new one has %d of 100: exit %d', async (speed, code) => {
    expect((await compared(report({ alys: 100 }), report({ alys: speed }))).code).toBe(code)
  })

  it('are judged by one subject, and show the others', async () => {
    const [before, after] = [report({ alys: 100, ws: 100 }), report({ alys: 100, ws: 50 })]
    expect(await compared(before, after)).toEqual({ code: 0, output: expect.stringContaining('x0.50') })
    expect((await compared(before, after, '--only', 'ws')).code).toBe(1)
  })

  it.each([
    ['have nothing in common', () => [report({ alys: 1 }), report({ alys: 1 }, 'record')]],
    ['are not there', () => [report({ alys: 1 }), join(folder, 'none.json')]],
    ['are one alone', () => [report({ alys: 1 })]],
  ])('are no comparison where they %s', async (_, args) => {
    expect((await compared(...args())).code).toBe(2)
  })
})
