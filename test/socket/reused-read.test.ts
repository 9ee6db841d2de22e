import { createServer, type OnReadOpts, Socket } from 'node:net'
import { describe, expect } from 'vitest'
import { rewrap, sharedReadBuffer } from '../../src/socket/reused-read.js'
import { SocketChannel } from '../../src/socket/socket-channel.js'
import { turn, until } from '../fixtures/stage.js'
import { End, it, pattern } from './sockets.js'

interface HandleOwner {
  _handle: object | null
}

const unread: OnReadOpts = { buffer: Buffer.alloc(16), callback: () => true }

/** A socket accepted paused as `listen` accepts them, and the raw one that dialled it. */
async function accepted(use: (socket: Socket, peer: Socket) => Promise<void>): Promise<void> {
  const sockets: Socket[] = []
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => sockets.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const peer = new Socket().connect(port, '127.0.0.1')
  await until(() => sockets.length === 1)
  try {
    await use(sockets[0] as Socket, peer)
  } finally {
    for (const socket of [peer, ...sockets]) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

describe('reading into a buffer of ours', () => {
  it.for(['tcp', 'unix'] as const)('is in force at both ends of a connection over %s', async (kind, { sockets }) => {
    const { near, far } = await sockets.pair(kind)
    expect(near.channel.facts.reusedReads).toBe(true)
    expect(far.channel.facts.reusedReads).toBe(true)
  })

  it('gives every read of every connection in the one shared buffer', async ({ sockets }) => {
    const [one, other] = [await sockets.pair(), await sockets.pair('unix')]
    const ends = [one.near, one.far, other.near, other.far]
    const strange: number[] = []
    for (const end of ends) {
      end.read = (bytes, length) => {
        if (bytes !== sharedReadBuffer()) strange.push(length)
      }
    }
    for (let round = 0; round < 10; round += 1) for (const { channel } of ends) channel.write(pattern(100_000))
    await until(() => ends.every(({ length }) => length === 1_000_000))
    expect(strange).toEqual([])
  })

  it('loses nothing of what came before the connection was accepted', async ({ sockets }) => {
    const ends: End[] = []
    const listener = await sockets.listen(sockets.fresh('tcp'), {}, (channel) => ends.push(sockets.end(channel)))
    const peer = new Socket().connect(listener.address as { host: string; port: number })
    peer.end(pattern(500_000))
    await until(() => ends[0]?.events.includes('end') === true)
    expect(ends[0]?.bytes.equals(pattern(500_000))).toBe(true)
    peer.destroy()
  })
})

describe('an accepted socket', () => {
  it.for([
    ['is no handle', null],
    ['knows nothing of buffers of ours', {}],
  ] as const)('whose handle %s is left as it was, and goes on by data events', async ([_, strange]) => {
    await accepted(async (socket, peer) => {
      const owner = socket as unknown as HandleOwner
      const handle = owner._handle
      owner._handle = strange
      expect(rewrap(socket, unread)).toBeNull()
      expect(owner._handle).toBe(strange)
      expect(socket.destroyed).toBe(false)
      owner._handle = handle

      const channel = new SocketChannel()
      channel.attach(socket, { reusedReads: false } as SocketChannel['facts'])
      const end = new End(channel)
      peer.end(pattern(300_000))
      await until(() => end.events.includes('end'))
      expect(end.bytes.equals(pattern(300_000))).toBe(true)
      const back: Buffer[] = []
      peer.on('data', (chunk) => back.push(chunk))
      channel.write(pattern(1_000))
      channel.end()
      await until(() => end.closed !== null && peer.destroyed)
      expect(Buffer.concat(back).equals(pattern(1_000))).toBe(true)
      expect(end.closed).toEqual({ error: null })
      expect(end.written).toEqual([false])
    })
  })

  it('that was wrapped anew closes without taking its connection along', async () => {
    await accepted(async (socket, peer) => {
      const got: number[] = []
      const buffer = Buffer.alloc(16)
      const wrapped = rewrap(socket, { buffer, callback: (length) => got.push(length) > 0 })
      expect(wrapped).not.toBeNull()
      await until(() => socket.closed)
      for (let turns = 0; turns < 10; turns += 1) await turn()
      expect(wrapped?.destroyed).toBe(false)
      expect(wrapped?.remoteAddress).toBe('127.0.0.1')
      wrapped?.resume()
      peer.write(pattern(10))
      await until(() => got.length > 0)
      expect(buffer.subarray(0, 10).equals(pattern(10))).toBe(true)
      wrapped?.destroy()
      await until(() => wrapped?.closed === true)
    })
  })
})

describe('a channel that has no socket yet', () => {
  it('has no facts, and says so', () => {
    expect(() => new SocketChannel().facts).toThrow(expect.objectContaining({ reason: 'misuse' }))
    expect(new SocketChannel().unsentBytes).toBe(0)
  })
})
