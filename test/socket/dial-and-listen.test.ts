import { existsSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { describe, expect } from 'vitest'
import { type Address, formatAddress, parseAddress } from '../../src/socket/address.js'
import { dial } from '../../src/socket/dial.js'
import { deadAddress, turn, until } from '../fixtures/stage.js'
import { it, pattern, socketOptions } from './sockets.js'

const MIB = 1024 * 1024
const KINDS = ['tcp', 'unix'] as const
const never = new AbortController().signal

describe.each(KINDS)('a connection over %s', (kind) => {
  it('carries bytes whole and in order, both ways at once', async ({ sockets }) => {
    const { near, far } = await sockets.pair(kind)
    const [there, back] = [pattern(3 * MIB + 17), pattern(2 * MIB + 5, 100)]
    const sizes = [1, 2, 1_000, 65_535, 65_536, 65_537, 1_000_000]
    for (const [end, all] of [
      [near, there],
      [far, back],
    ] as const) {
      for (let at = 0, turns = 0; at < all.length; turns += 1) {
        const size = sizes[turns % sizes.length] ?? 1
        end.channel.write(all.subarray(at, at + size))
        at += size
      }
    }
    await until(() => far.length >= there.length && near.length >= back.length)
    expect(far.bytes.equals(there)).toBe(true)
    expect(near.bytes.equals(back)).toBe(true)
  })

  it('hands every write back once, corked or not, and counts what is not sent', async ({ sockets }) => {
    const { near, far } = await sockets.pair(kind)
    near.channel.cork()
    for (let written = 0; written < 100; written += 1) near.channel.write(pattern(10, written))
    expect(near.channel.unsentBytes).toBe(1_000)
    expect(near.written).toEqual([])
    near.channel.uncork()
    expect(near.written).toEqual([])
    for (let written = 0; written < 50; written += 1) near.channel.write(pattern(10, written))
    await until(() => far.length === 1_500 && near.written.length >= 150)
    near.channel.end()
    await until(() => far.events.length > 0)
    expect(near.written).toEqual(Array.from({ length: 150 }, () => false))
    expect(near.channel.unsentBytes).toBe(0)
  })

  it('stays open the other way when one end has said its last, whichever that is', async ({ sockets }) => {
    for (const turned of [false, true]) {
      const { near, far } = await sockets.pair(kind)
      const [first, second] = turned ? [far, near] : [near, far]
      first.channel.write(pattern(1_000))
      first.channel.end()
      await until(() => second.events.length > 0)
      expect(second.bytes.equals(pattern(1_000))).toBe(true)
      second.channel.write(pattern(MIB))
      await until(() => first.length === MIB)
      expect([first.events, second.events]).toEqual([[], ['end']])
      second.channel.end()
      await until(() => first.closed !== null && second.closed !== null)
      expect(first.events).toEqual(['end', 'closed'])
      expect(second.events).toEqual(['end', 'closed'])
      expect([first.closed, second.closed]).toEqual([{ error: null }, { error: null }])
    }
  })

  it('to a peer that does not read keeps what is unsent, and hands it all back when destroyed', async ({ sockets }) => {
    const { near, far } = await sockets.pair(kind)
    far.channel.pause()
    near.channel.write(pattern(1_000))
    for (let written = 0; written < 32; written += 1) near.channel.write(pattern(MIB))
    await until(() => near.written.length > 0)
    for (let turns = 0; turns < 100; turns += 1) await turn()
    expect(near.channel.unsentBytes).toBeGreaterThan(0)
    expect(near.written.length).toBeLessThan(33)
    expect(near.written).not.toContain(true)
    near.channel.destroy()
    await until(() => near.closed !== null)
    expect(near.written).toHaveLength(33)
    expect(near.written.at(-1)).toBe(true)
    expect(near.closed).toEqual({ error: null })
  })

  it('delivers nothing while it is paused, and the rest when it is resumed', async ({ sockets }) => {
    const { near, far } = await sockets.pair(kind)
    far.channel.pause()
    near.channel.write(pattern(1_000))
    await until(() => near.written.length === 1)
    for (let turns = 0; turns < 20; turns += 1) await turn()
    expect(far.length).toBe(0)
    far.channel.resume()
    await until(() => far.length === 1_000)
    expect(far.bytes.equals(pattern(1_000))).toBe(true)
  })

  it('reads the body of a large message straight into the buffer given for it', async ({ sockets }) => {
    const { near, far } = await sockets.pair(kind)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      const body = Buffer.alloc(5 * MIB)
      const header: Buffer[] = []
      let filled = 0
      const elsewhere: number[] = []
      to.read = (bytes, length) => {
        if (to.target === null) {
          header.push(Buffer.from(bytes.subarray(0, length)))
          to.target = body
          return
        }
        if (bytes.buffer !== body.buffer || bytes.byteOffset !== to.target.byteOffset) elsewhere.push(length)
        filled += length
        to.target = filled < body.length ? body.subarray(filled) : null
      }
      from.channel.write(Buffer.from('header'))
      await until(() => header.length === 1)
      from.channel.write(pattern(body.length))
      await until(() => filled === body.length)
      expect(Buffer.concat(header).toString()).toBe('header')
      expect(elsewhere).toEqual([])
      expect(body.equals(pattern(body.length))).toBe(true)
      expect(to.target).toBeNull()
      to.read = null
      from.channel.write(pattern(100))
      await until(() => to.chunks.length > 0)
      expect(to.bytes.equals(pattern(100))).toBe(true)
    }
  })

  it('says where it is, and what is in force', async ({ sockets }) => {
    const { near, far, listener } = await sockets.pair(kind, { keepAliveMs: 12_000 })
    const tcp = kind === 'tcp'
    const inForce = { kind, noDelay: tcp, keepAliveMs: tcp ? 12_000 : 0 }
    expect(near.channel.facts).toMatchObject({ ...inForce, remote: formatAddress(listener.address) })
    expect(far.channel.facts).toMatchObject({ ...inForce, local: formatAddress(listener.address) })
    expect(far.channel.facts.remote).toBe(near.channel.facts.local)
    expect(far.channel.facts.remoteHost).toBe(tcp ? '127.0.0.1' : formatAddress(listener.address))
  })

  it('cannot listen where somebody does, and can when they have closed', async ({ sockets }) => {
    const first = await sockets.listen(sockets.fresh(kind))
    const details = { address: formatAddress(first.address), systemCode: 'EADDRINUSE' }
    await expect(sockets.listen(first.address)).rejects.toMatchObject({ reason: 'address-in-use', details })
    await first.close()
    const second = await sockets.listen(first.address)
    expect(second.address).toEqual(first.address)
    const end = await sockets.dial(second.address)
    expect(end.closed).toBeNull()
  })

  it('outlives its listener, which takes no more of them', async ({ sockets }) => {
    const { near, far, listener } = await sockets.pair(kind)
    await listener.close()
    await expect(dial(listener.address, socketOptions(), never)).rejects.toMatchObject({
      reason: kind === 'tcp' ? 'connect-refused' : 'connect-failed',
    })
    if (listener.address.kind === 'unix') expect(existsSync(listener.address.path)).toBe(false)
    near.channel.write(pattern(1_000))
    await until(() => far.length === 1_000)
  })

  it('is not made when its signal is aborted before or meanwhile: the reason is the signal’s', async ({ sockets }) => {
    const reason = new Error('enough')
    const listener = await sockets.listen(sockets.fresh(kind))
    await expect(dial(listener.address, socketOptions(), AbortSignal.abort(reason))).rejects.toBe(reason)
    const during = new AbortController()
    const dialling = dial(listener.address, socketOptions(), during.signal)
    during.abort(reason)
    await expect(dialling).rejects.toBe(reason)
    const after = new AbortController()
    const end = sockets.end(await dial(listener.address, socketOptions(), after.signal))
    after.abort(reason)
    for (let turns = 0; turns < 20; turns += 1) await turn()
    expect(end.closed).toBeNull()
  })
})

describe('a peer', () => {
  it('that resets the connection closes it with an error, and what was unsent is handed back', async ({ sockets }) => {
    const accepted: Socket[] = []
    const server = createServer((socket) => accepted.push(socket.pause()))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const near = await sockets.dial({ kind: 'tcp', host: '127.0.0.1', port })
    for (let written = 0; written < 32; written += 1) near.channel.write(pattern(MIB))
    await until(() => accepted.length === 1 && near.written.length > 0)
    accepted[0]?.resetAndDestroy()
    await until(() => near.closed !== null)
    expect(near.closed?.error).toMatchObject({ reason: 'connection-lost', cause: { code: 'ECONNRESET' } })
    expect(near.written).toHaveLength(32)
    expect(near.events).toEqual(['closed'])
    await new Promise((resolve) => server.close(resolve))
  })

  it('that resets a connection that was accepted closes it with an error too', async ({ sockets }) => {
    const channels: ReturnType<typeof sockets.end>[] = []
    const listener = await sockets.listen(sockets.fresh('tcp'), {}, (channel) => channels.push(sockets.end(channel)))
    const peer = new Socket()
    peer.connect(listener.address as { host: string; port: number })
    await until(() => channels.length === 1)
    peer.resetAndDestroy()
    await until(() => channels[0]?.closed != null)
    expect(channels[0]?.closed?.error).toMatchObject({ reason: 'connection-lost' })
  })

  it('that is not there is named: refused, or the system’s own code', async ({ sockets }) => {
    const dead = parseAddress(await deadAddress())
    const refused = dial(dead, socketOptions(), never)
    const address = formatAddress(dead)
    await expect(refused).rejects.toMatchObject({ reason: 'connect-refused', details: { address } })
    const missing: Address = { kind: 'unix', path: sockets.path() }
    await expect(dial(missing, socketOptions(), never)).rejects.toMatchObject({
      reason: 'connect-failed',
      details: { address: formatAddress(missing), systemCode: 'ENOENT' },
    })
  })
})

describe('a listener', () => {
  it('at port 0 says which port it got, a different one each time', async ({ sockets }) => {
    const [one, other] = [await sockets.listen(sockets.fresh('tcp')), await sockets.listen(sockets.fresh('tcp'))]
    const ports = [one, other].map(({ address }) => (address.kind === 'tcp' ? address.port : 0))
    expect(ports.every((port) => port > 0)).toBe(true)
    expect(ports[0]).not.toBe(ports[1])
  })

  it('where there can be none is refused with the system’s code', async ({ sockets }) => {
    const nowhere: Address = { kind: 'unix', path: `${sockets.path()}/deeper` }
    await expect(sockets.listen(nowhere)).rejects.toMatchObject({
      reason: 'listen-failed',
      details: { address: formatAddress(nowhere) },
    })
  })
})
