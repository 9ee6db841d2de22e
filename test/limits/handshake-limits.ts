import { expect } from 'vitest'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { preface } from '../../src/wire/preface.js'
import { frame, helloFrame } from '../fixtures/raw-peer.js'
import { until } from '../fixtures/stage.js'
import { both, type Subject, type Table } from './subject.js'

const OPTIONAL_FIELD = 0x80

/** A field of HELLO that may be skipped, of so many bytes in all. */
function padding(bytes: number): Buffer {
  const field = Buffer.alloc(bytes)
  field.writeUInt8(OPTIONAL_FIELD, 0)
  field.writeUInt16LE(bytes - 3, 1)
  return field
}

/** A HELLO body of exactly so many bytes. */
function helloBody(bytes: number): Buffer {
  const least = helloFrame().subarray(12)
  return Buffer.concat([least, padding(bytes - least.length)])
}

/** Says HELLO in frames with these bodies. */
function greet({ peer }: Subject, ...bodies: readonly Buffer[]): void {
  const frames = bodies.map((body, index) => {
    return frame(KIND.HELLO, { flags: index < bodies.length - 1 ? FLAG.MORE : 0, body })
  })
  peer.write(preface(), ...frames)
}

/** A fresh connection of the hostile peer: it dials our server, or has our client dial it again. */
async function hostile(subject: Subject, ...bodies: readonly Buffer[]): Promise<void> {
  if (subject.role === 'server') await subject.reconnect()
  greet(subject, ...bodies)
}

export const handshakeLimits: Table = {
  handshakeMs: [
    {
      role: 'server',
      limits: { handshakeMs: 500 },
      bare: true,
      at: async (subject) => {
        const peer = await subject.reconnect()
        await peer.nextOf(KIND.HELLO)
        subject.clock.advance(490)
        peer.hello()
        await subject.alive()
      },
      past: async (subject) => {
        const peer = await subject.reconnect()
        await peer.nextOf(KIND.HELLO)
        subject.clock.advance(502)
        await subject.gone()
      },
    },
    {
      // Who dials has one limit for everything from the name to the HELLO.
      role: 'client',
      limits: {},
      options: { socket: { connectTimeoutMs: 500 } },
      bare: true,
      metric: 'failures.connect-timeout',
      at: async (subject) => {
        subject.clock.advance(490)
        expect(subject.peer.gone).toBe(false)
      },
      past: async (subject) => {
        const connecting = expect(subject.client.connect()).rejects.toMatchObject({ reason: 'connect-timeout' })
        subject.clock.advance(12)
        await connecting
        await subject.gone()
      },
    },
  ],
  maxHandshakes: [
    {
      role: 'server',
      limits: { maxHandshakes: 2 },
      bare: true,
      at: async (subject) => {
        const silent = [await subject.dial(), await subject.dial()]
        for (const peer of silent) await peer.nextOf(KIND.HELLO)
      },
      past: async (subject) => {
        const third = await subject.dial()
        await third.closed
        expect(third.unread).toEqual([])
      },
    },
  ],
  maxHandshakesPerAddress: [
    {
      role: 'server',
      limits: { maxHandshakesPerAddress: 2 },
      bare: true,
      at: async (subject) => {
        const silent = [await subject.dial(), await subject.dial()]
        for (const peer of silent) await peer.nextOf(KIND.HELLO)
        // Who has said HELLO counts no more.
        silent[0]?.hello()
        await subject.alive(silent[0])
        await (await subject.dial()).nextOf(KIND.HELLO)
      },
      past: async (subject) => {
        const third = await subject.dial()
        await third.closed
        expect(third.unread).toEqual([])
      },
    },
  ],
  maxHelloFrameBytes: both({
    limits: { maxHelloFrameBytes: 512 },
    bare: true,
    at: async (subject) => {
      await hostile(subject, helloBody(512 - 8))
      await subject.alive()
    },
    past: async (subject) => {
      await subject.reconnect()
      greet(subject, helloBody(513 - 8))
      await subject.cut('hello-too-large')
    },
  }),
  maxHelloBytes: both({
    limits: { maxHelloBytes: 600 },
    bare: true,
    at: async (subject) => {
      await hostile(subject, padding(100), padding(100), helloBody(400))
      await subject.alive()
    },
    past: async (subject) => {
      await subject.reconnect()
      greet(subject, padding(100), padding(101), helloBody(400))
      await subject.cut('hello-too-large')
    },
  }),
  maxConnections: [
    {
      role: 'server',
      limits: { maxConnections: 2 },
      bare: true,
      at: async (subject) => {
        const peers = [await subject.greet(), await subject.greet({ peerId: 'another' })]
        for (const peer of peers) await subject.alive(peer)
      },
      past: async (subject) => {
        const third = await subject.dial()
        await third.closed
        expect(third.unread).toEqual([])
        await subject.alive()
        // A place that becomes free is given again.
        subject.peer.destroy()
        await until(() => subject.connections().length === 1)
        await (await subject.dial()).nextOf(KIND.HELLO)
      },
    },
  ],
  maxConnectionsPerPeer: [
    {
      role: 'server',
      limits: { maxConnectionsPerPeer: 2 },
      bare: true,
      at: async (subject) => {
        const peers = [await subject.greet({ peerId: 'same' }), await subject.greet({ peerId: 'same' })]
        for (const peer of peers) await subject.alive(peer)
      },
      past: async (subject) => {
        const third = await subject.dial()
        third.hello({ peerId: 'same' })
        await subject.cut('too-many-connections-per-peer', third)
        await subject.alive(await subject.greet({ peerId: 'another' }))
      },
    },
  ],
}
