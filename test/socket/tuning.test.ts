import { createRequire } from 'node:module'
import { createServer, Socket } from 'node:net'
import { describe, expect, vi } from 'vitest'
import { SocketChannel } from '../../src/socket/socket-channel.js'
import { tuneBuffers } from '../../src/socket/tuning.js'
import { until } from '../fixtures/stage.js'
import { it, pattern, socketOptions } from './sockets.js'

const NOT_REQUESTED = {
  requested: null,
  effective: null,
  applied: false,
  reason: expect.stringMatching(/^not requested/),
}

interface SockOpt {
  getsockopt(socket: Socket, level: number, name: number): number
}

/** The optional package that sets the sizes, if it is there. */
const sockopt = (() => {
  try {
    return createRequire(import.meta.url)('sockopt') as SockOpt
  } catch {
    return null
  }
})()
const installed = sockopt !== null

describe('the kernel’s buffers', () => {
  it('that nobody asked for are left to it, and the facts say so', async ({ sockets }) => {
    const { near, far } = await sockets.pair()
    for (const { channel } of [near, far]) {
      expect(channel.facts).toMatchObject({ sendBuffer: NOT_REQUESTED, receiveBuffer: NOT_REQUESTED })
    }
  })

  it.skipIf(!installed).for(['tcp', 'unix'] as const)(
    'that were asked for over %s are in force at both ends, as read back',
    async (kind, { sockets }) => {
      const { near, far } = await sockets.pair(kind, { sendBufferBytes: 65_536, receiveBufferBytes: 32_768 })
      for (const { channel } of [near, far]) {
        const { sendBuffer, receiveBuffer } = channel.facts
        for (const [size, requested] of [
          [sendBuffer, 65_536],
          [receiveBuffer, 32_768],
        ] as const) {
          expect(Object.keys(size).sort()).toEqual(['applied', 'effective', 'reason', 'requested'])
          expect(size).toMatchObject({ requested, applied: true, reason: expect.stringMatching(/^in force/) })
          expect(size.effective).toBeGreaterThanOrEqual(requested)
        }
      }
      near.channel.write(pattern(1_000_000))
      await until(() => far.length === 1_000_000)
      expect(far.bytes.equals(pattern(1_000_000))).toBe(true)
    },
  )

  it.skipIf(!installed)('are tuned one by one: the other is left alone', async ({ sockets }) => {
    const { near } = await sockets.pair('tcp', { sendBufferBytes: 65_536 })
    expect(near.channel.facts.sendBuffer).toMatchObject({ requested: 65_536, applied: true })
    expect(near.channel.facts.receiveBuffer).toEqual(NOT_REQUESTED)
  })

  it.skipIf(!installed)('that the system does not allow are reported as what there is', async ({ sockets }) => {
    const { near } = await sockets.pair('tcp', { sendBufferBytes: 2 ** 30 })
    const { effective, ...rest } = near.channel.facts.sendBuffer
    const applied = effective !== null && effective >= 2 ** 30
    const reason = applied ? expect.stringMatching(/^in force/) : `the system allows no more than ${effective}`
    expect(rest).toEqual({ requested: 2 ** 30, applied, reason })
    expect(effective).toBeGreaterThan(0)
  })

  it.skipIf(!installed)('can be set on a server that listens', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { sendBuffer } = tuneBuffers(server, socketOptions({ sendBufferBytes: 65_536 }))
    expect(sendBuffer).toMatchObject({ requested: 65_536, applied: true })
    await new Promise((resolve) => server.close(resolve))
  })

  it('of a socket that is none any more: the refusal is reported, and nothing is thrown', () => {
    const socket = new Socket()
    socket.destroy()
    const { sendBuffer } = tuneBuffers(socket, socketOptions({ sendBufferBytes: 65_536 }))
    expect(sendBuffer).toMatchObject({ requested: 65_536, effective: null, applied: false })
    expect(sendBuffer.reason).toMatch(installed ? /^the system refused: ./ : /sockopt is not installed$/)
  })
})

describe('small writes', () => {
  const IPPROTO_TCP = 6
  const TCP_NODELAY = 1

  it.skipIf(!installed).for([true, false])(
    'leave at once at both ends, as the system has it: %s',
    async (noDelay, { sockets }) => {
      const connected = vi.spyOn(SocketChannel.prototype, 'attach')
      const { near, far } = await sockets.pair('tcp', { noDelay })
      const inForce = connected.mock.calls.map(([socket]) => sockopt?.getsockopt(socket, IPPROTO_TCP, TCP_NODELAY))
      expect(inForce.map(Boolean)).toEqual([noDelay, noDelay])
      expect([near, far].map(({ channel }) => channel.facts.noDelay)).toEqual([noDelay, noDelay])
    },
  )
})
