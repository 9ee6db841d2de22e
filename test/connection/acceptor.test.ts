import { describe, expect } from 'vitest'
import { failure } from '../../src/base/errors.js'
import { KIND } from '../../src/wire/frame.js'
import { preface } from '../../src/wire/preface.js'
import { faultOf, frame, helloFrame, type RawPeer, RawServer } from '../fixtures/raw-peer.js'
import { until } from '../fixtures/stage.js'
import { type Accepting, it, type Ports } from './ports.js'

/** The connection goes on: a ping comes back. */
async function alive(peer: RawPeer): Promise<void> {
  peer.write(frame(KIND.PING, { id: 7 }))
  expect((await peer.nextOf(KIND.PONG)).id).toBe(7)
}

/** A raw peer that has exchanged HELLOs under this name. */
async function greeted(ports: Ports, { address }: Accepting, peerId: string): Promise<RawPeer> {
  const peer = await ports.rawPeer(address)
  peer.hello({ peerId })
  await peer.nextOf(KIND.HELLO)
  return peer
}

/** A raw peer that was let in, and says nothing. */
async function silent(ports: Ports, { address }: Accepting): Promise<RawPeer> {
  const peer = await ports.rawPeer(address)
  await peer.nextOf(KIND.HELLO)
  return peer
}

/** A raw peer that was turned away without a word. */
async function turnedAway(peer: RawPeer): Promise<void> {
  await peer.closed
  expect(peer.unread).toEqual([])
}

/** What a peer may say before it falls silent, short of a whole HELLO. */
const SILENCES: readonly (readonly [string, (peer: RawPeer) => void])[] = [
  ['at once', () => {}],
  ['in the preface', (peer) => peer.write(preface().subarray(0, 3))],
  ['after the preface', (peer) => peer.write(preface())],
  ['in the HELLO', (peer) => peer.write(preface(), helloFrame().subarray(0, 20))],
]

describe('who was accepted and falls silent', () => {
  it.for(SILENCES)('%s is cut by name after the time for a handshake', async ([_, say], { ports }) => {
    const accepting = await ports.acceptor({ limits: { handshakeMs: 60 } })
    const talking = await greeted(ports, accepting, 'talking')
    const peer = await ports.rawPeer(accepting.address)
    say(peer)
    await peer.closed
    await until(() => accepting.owner.gone.length === 1)
    expect(accepting.owner.gone[0]?.error).toMatchObject({ reason: 'handshake-timeout', origin: 'network' })
    expect(accepting.environment.counters.failures['handshake-timeout']).toBe(1)
    // Who has said HELLO in time may be silent for as long as it likes.
    expect(accepting.owner.ready.map(({ state }) => state)).toEqual(['ready'])
    await alive(talking)
  })

  it('never quite, but says a byte now and then, has no more time than others', async ({ ports }) => {
    const accepting = await ports.acceptor({ limits: { handshakeMs: 60 } })
    const peer = await ports.rawPeer(accepting.address)
    const hello = Buffer.concat([preface(), helloFrame({ peerId: 'x'.repeat(60) })])
    for (let at = 0; !peer.gone && at < hello.length - 1; at += 1) {
      peer.write(hello.subarray(at, at + 1))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await peer.closed
    await until(() => accepting.owner.gone.length === 1)
    expect(accepting.owner.gone[0]?.error).toMatchObject({ reason: 'handshake-timeout' })
  })
})

describe('who was accepted and says HELLO', () => {
  it('is handed over ready, and its end is told once', async ({ ports }) => {
    const accepting = await ports.acceptor()
    const { owner, environment } = accepting
    const peer = await greeted(ports, accepting, 'theirs')
    await until(() => owner.ready.length === 1)
    expect(owner.ready[0]?.info()).toMatchObject({ state: 'ready', peerId: 'theirs', remoteHost: '127.0.0.1' })
    expect(environment.wheel.armed).toBe(0)
    peer.destroy()
    await until(() => owner.gone.length === 1)
    const { connectionsOpened, connectionsClosed } = environment.counters
    expect([connectionsOpened, connectionsClosed]).toEqual([1, 1])
  })

  it('speaks to the same server on all of its addresses', async ({ ports }) => {
    const accepting = await ports.acceptor({ limits: { maxConnections: 2 } })
    const other = { ...accepting, address: await accepting.acceptor.listen('tcp://127.0.0.1:0') }
    expect(other.address).not.toBe(accepting.address)
    await alive(await greeted(ports, accepting, 'one'))
    await alive(await greeted(ports, other, 'two'))
    // One limit for all of them.
    await turnedAway(await ports.rawPeer(other.address))
  })

  it('and is not wanted by the owner takes nobody else’s place, however often it comes', async ({ ports }) => {
    const accepting = await ports.acceptor({ limits: { maxConnectionsPerPeer: 1 } })
    const { owner } = accepting
    owner.refuses = true
    for (let times = 1; times <= 3; times += 1) {
      const peer = await ports.rawPeer(accepting.address)
      peer.hello({ peerId: 'same' })
      await peer.closed
      await until(() => owner.gone.length === times)
      expect(owner.gone.at(-1)?.error).toMatchObject({ reason: 'closed' })
    }
    owner.refuses = false
    await alive(await greeted(ports, accepting, 'same'))
  })
})

describe('the number of connections', () => {
  it('is limited for the server: one past the limit is turned away, and a free place is given again', async ({
    ports,
  }) => {
    const accepting = await ports.acceptor({ limits: { maxConnections: 3 } })
    const peers = [await greeted(ports, accepting, 'one'), await greeted(ports, accepting, 'two')]
    peers.push(await silent(ports, accepting))
    await turnedAway(await ports.rawPeer(accepting.address))
    const { counters } = accepting.environment
    expect(counters.failures['too-many-connections']).toBe(1)
    expect(counters.connectionsOpened).toBe(3)
    for (const peer of peers.slice(0, 2)) await alive(peer)
    peers[0]?.destroy()
    await until(() => accepting.owner.gone.length === 1)
    await alive(await greeted(ports, accepting, 'four'))
  })

  it('without a HELLO is limited for the server: who says it makes room', async ({ ports }) => {
    const accepting = await ports.acceptor({ limits: { maxHandshakes: 2 } })
    const waiting = [await silent(ports, accepting), await silent(ports, accepting)]
    await turnedAway(await ports.rawPeer(accepting.address))
    expect(accepting.environment.counters.failures['too-many-handshakes']).toBe(1)
    waiting[0]?.hello({ peerId: 'first' })
    await alive(waiting[0] as RawPeer)
    await silent(ports, accepting)
    await turnedAway(await ports.rawPeer(accepting.address))
    // So does who gives up.
    waiting[1]?.destroy()
    await until(() => accepting.owner.gone.length === 1)
    await silent(ports, accepting)
  })

  it('without a HELLO is limited for an address: others are let in', async ({ ports }) => {
    const accepting = await ports.acceptor({ limits: { maxHandshakesPerAddress: 2 } })
    const waiting = [await silent(ports, accepting), await silent(ports, accepting)]
    await turnedAway(await ports.rawPeer(accepting.address))
    expect(accepting.environment.counters.failures['too-many-handshakes-per-address']).toBe(1)
    const stranger = await ports.rawPeerFrom('127.0.0.2', accepting.address)
    stranger.hello({ peerId: 'elsewhere' })
    await alive(stranger)
    waiting[0]?.hello({ peerId: 'first' })
    await alive(waiting[0] as RawPeer)
    await silent(ports, accepting)
  })

  it('is limited for a peer id: one past the limit is told why, and others notice nothing', async ({ ports }) => {
    const accepting = await ports.acceptor({ limits: { maxConnectionsPerPeer: 2 } })
    const same = [await greeted(ports, accepting, 'same'), await greeted(ports, accepting, 'same')]
    const third = await greeted(ports, accepting, 'same')
    expect(faultOf(await third.nextOf(KIND.GO_AWAY)).reason).toBe('too-many-connections-per-peer')
    third.socket.end()
    await third.closed
    expect(accepting.environment.counters.failures['too-many-connections-per-peer']).toBe(1)
    for (const peer of [...same, await greeted(ports, accepting, 'another')]) await alive(peer)
    same[0]?.destroy()
    // The third, and this one.
    await until(() => accepting.owner.gone.length === 2)
    await alive(await greeted(ports, accepting, 'same'))
  })
})

describe('an acceptor that is closed', () => {
  const closing = failure('closed', 'the server is closing')

  it('ends what is with who has not said HELLO, leaves the others to their owner, and frees its addresses', async ({
    ports,
  }) => {
    const accepting = await ports.acceptor()
    const { acceptor, owner, address } = accepting
    const ready = await greeted(ports, accepting, 'ready')
    const waiting = [await silent(ports, accepting), await silent(ports, accepting)]
    await acceptor.close(closing, 1_000)
    for (const peer of waiting) await peer.closed
    expect(owner.gone.map(({ error }) => error)).toEqual([closing, closing])
    await alive(ready)
    await expect(ports.rawPeer(address)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('listens nowhere any more, not even where it was about to', async ({ ports }) => {
    const { acceptor } = await ports.acceptor()
    const raw = await RawServer.listen()
    const address = raw.address
    await raw.close()
    const listening = expect(acceptor.listen(address)).rejects.toBe(closing)
    await acceptor.close(closing, 1_000)
    await listening
    await expect(ports.rawPeer(address)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await expect(acceptor.listen('tcp://127.0.0.1:0')).rejects.toBe(closing)
  })
})
