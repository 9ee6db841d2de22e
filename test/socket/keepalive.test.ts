import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect } from 'vitest'
import { it } from './sockets.js'

const hasSs = spawnSync('ss', ['-V']).error === undefined
if (!hasSs) console.warn('keepalive.test.ts: skipped, because there is no `ss` here to look at the sockets with')

/** What the system knows of the connection from one endpoint to another. */
function seen(local: string, remote: string): string {
  const [from, to] = [local, remote].map((address) => address.replace('tcp://', ''))
  const lines = execFileSync('ss', ['-tnoH'], { encoding: 'utf8' }).split('\n')
  const line = lines.find((candidate) => {
    const [, , , source, target] = candidate.trim().split(/\s+/)
    return source === from && target === to
  })
  return line ?? 'not there'
}

describe.skipIf(!hasSs)('keepalive, as the system sees it', () => {
  it('is armed at both ends of a connection with the default options', async ({ sockets }) => {
    const { near, far } = await sockets.pair()
    for (const { channel } of [near, far]) {
      const { local, remote, keepAliveMs } = channel.facts
      expect(keepAliveMs).toBe(30_000)
      // The time left, of 30 s at first.
      expect(seen(local, remote)).toMatch(/timer:\(keepalive,(30|2\d)(\.\d+)?(sec|ms)?,0\)/)
    }
  })

  it('begins after the time that was asked for', async ({ sockets }) => {
    const { near, far } = await sockets.pair('tcp', { keepAliveMs: 600_000 })
    for (const { channel } of [near, far]) {
      expect(seen(channel.facts.local, channel.facts.remote)).toMatch(/timer:\(keepalive,(10min|9min\d+sec),0\)/)
    }
  })

  it.for([1, 999, 1_000, 1_500])('begins after whole seconds, rounded up: %i ms', async (keepAliveMs, { sockets }) => {
    const { near, far } = await sockets.pair('tcp', { keepAliveMs })
    for (const { channel } of [near, far]) {
      expect(channel.facts.keepAliveMs).toBe(keepAliveMs > 1_000 ? 2_000 : 1_000)
      // Seconds are left, and not the two hours that the system has for who asks for nothing.
      expect(seen(channel.facts.local, channel.facts.remote)).toMatch(/timer:\(keepalive,[\d.]+(ms|sec),/)
    }
  })

  it('is off with 0', async ({ sockets }) => {
    const { near, far } = await sockets.pair('tcp', { keepAliveMs: 0 })
    for (const { channel } of [near, far]) {
      const line = seen(channel.facts.local, channel.facts.remote)
      expect(line).toMatch(/^ESTAB/)
      expect(line).not.toContain('keepalive')
    }
  })
})
