import { describe, expect } from 'vitest'
import { Dialer } from '../../src/connection/dialer.js'
import { KIND } from '../../src/wire/frame.js'
import { preface } from '../../src/wire/preface.js'
import { helloFrame, type RawPeer } from '../fixtures/raw-peer.js'
import { deadAddress, turn, until } from '../fixtures/stage.js'
import { it } from './ports.js'

const SOON = { socket: { connectTimeoutMs: 60 } }
const timeout = { reason: 'connect-timeout', code: 'UNAVAILABLE', origin: 'network', processed: 'no' }

describe('dialling', () => {
  it('gives a connection when both HELLOs are exchanged, and not before', async ({ ports }) => {
    const raw = await ports.rawServer()
    const { dialer, owner, environment } = ports.dialer(raw.address)
    let settled = false
    const dialling = dialer.dial(owner, []).finally(() => {
      settled = true
    })
    const peer = await raw.accept()
    await peer.nextOf(KIND.HELLO)
    for (let turns = 0; turns < 5; turns += 1) await turn()
    expect([settled, owner.ready.length]).toEqual([false, 0])
    peer.hello({ peerId: 'theirs' })
    const connection = await dialling
    expect(owner.ready).toEqual([connection])
    expect(connection.info()).toMatchObject({ state: 'ready', peerId: 'theirs', remote: raw.address })
    expect(environment.wheel.armed).toBe(0)
    expect(environment.counters.dialsStarted).toBe(1)
  })

  it('is over when the promise settles: what becomes of the connection later, the owner hears', async ({ ports }) => {
    const raw = await ports.rawServer()
    const { dialer, owner, environment } = ports.dialer(raw.address)
    const { counters } = environment
    const dialling = dialer.dial(owner, [])
    const peer = await raw.greeted()
    const connection = await dialling
    dialer.close()
    for (let turns = 0; turns < 5; turns += 1) await turn()
    expect(connection.state).toBe('ready')
    expect([counters.connectionsOpened, counters.connectionsClosed]).toEqual([1, 0])
    peer.destroy()
    await until(() => owner.gone.length === 1)
    expect(owner.gone[0]).toMatchObject({ connection, error: { reason: 'connection-lost' } })
    expect([counters.connectionsOpened, counters.connectionsClosed]).toEqual([1, 1])
  })

  it('refuses an address that cannot be read before anybody dials', ({ ports }) => {
    const { environment } = ports.dialer('tcp://127.0.0.1:1')
    expect(() => new Dialer('udp://127.0.0.1:1', {} as never, environment)).toThrow(
      expect.objectContaining({ reason: 'address-malformed' }),
    )
  })
})

/** What a peer may say before it falls silent, short of a whole HELLO. */
const SILENCES: readonly (readonly [string, (peer: RawPeer) => void])[] = [
  ['at once', () => {}],
  ['in the preface', (peer) => peer.write(preface().subarray(0, 3))],
  ['after the preface', (peer) => peer.write(preface())],
  ['in the HELLO', (peer) => peer.write(preface(), helloFrame().subarray(0, 20))],
]

describe('a peer that falls silent', () => {
  it('before TCP answers is given up in the time that covers everything', async ({ ports }) => {
    const { dialer, owner, environment } = ports.dialer(await ports.silentAddress(), SOON)
    await expect(dialer.dial(owner, [])).rejects.toMatchObject({ ...timeout, details: { connectTimeoutMs: 60 } })
    expect(environment.counters.failures['connect-timeout']).toBe(1)
    expect([owner.ready, owner.gone]).toEqual([[], []])
  })

  it.for(SILENCES)('%s is given up, and its connection is closed', async ([_, say], { ports }) => {
    const raw = await ports.rawServer()
    const { dialer, owner, environment } = ports.dialer(raw.address, SOON)
    const dialling = expect(dialer.dial(owner, [])).rejects.toMatchObject(timeout)
    const peer = await raw.accept()
    say(peer)
    await dialling
    await peer.closed
    const { connectionsOpened, connectionsClosed, failures } = environment.counters
    expect(connectionsClosed).toBe(connectionsOpened)
    expect(failures['connect-timeout']).toBe(1)
    expect([owner.ready, owner.gone]).toEqual([[], []])
  })

  it('never quite, but says a byte now and then, has no more time than others', async ({ ports }) => {
    const raw = await ports.rawServer()
    const { dialer, owner } = ports.dialer(raw.address, SOON)
    const dialling = expect(dialer.dial(owner, [])).rejects.toMatchObject(timeout)
    const peer = await raw.accept()
    const hello = Buffer.concat([preface(), helloFrame({ peerId: 'x'.repeat(60) })])
    for (let at = 0; !peer.gone && at < hello.length - 1; at += 1) {
      peer.write(hello.subarray(at, at + 1))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await dialling
    await peer.closed
  })

  it('is nothing to the other dials of the same dialer', async ({ ports }) => {
    const raw = await ports.rawServer()
    const { dialer, owner } = ports.dialer(raw.address, { socket: { connectTimeoutMs: 150 } })
    const silent = expect(dialer.dial(owner, [])).rejects.toMatchObject(timeout)
    await raw.accept()
    const talking = dialer.dial(owner, [])
    await raw.greeted()
    const connection = await talking
    await silent
    expect(connection.state).toBe('ready')
  })
})

describe('a dial that fails', () => {
  it('says that nobody listens', async ({ ports }) => {
    const address = await deadAddress()
    const { dialer, owner, environment } = ports.dialer(address)
    await expect(dialer.dial(owner, [])).rejects.toMatchObject({ reason: 'connect-refused', details: { address } })
    // One dial is one attempt; when to try again is the pool's to say.
    expect(environment.counters.dialsStarted).toBe(1)
  })

  it('names a peer that speaks something else, and closes it', async ({ ports }) => {
    const raw = await ports.rawServer()
    const { dialer, owner } = ports.dialer(raw.address)
    const dialling = expect(dialer.dial(owner, [])).rejects.toMatchObject({ reason: 'not-this-protocol' })
    const peer = await raw.accept()
    peer.write(Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'))
    await dialling
    await peer.closed
    expect([owner.ready, owner.gone]).toEqual([[], []])
  })

  it.for([
    ['hangs up', (peer: RawPeer) => peer.socket.end()],
    ['resets', (peer: RawPeer) => peer.socket.resetAndDestroy()],
  ] as const)('says that the peer %s before its HELLO', async ([_, leave], { ports }) => {
    const raw = await ports.rawServer()
    const { dialer, owner } = ports.dialer(raw.address)
    const dialling = expect(dialer.dial(owner, [])).rejects.toMatchObject({ reason: 'connection-lost' })
    const peer = await raw.accept()
    await peer.nextOf(KIND.HELLO)
    leave(peer)
    await dialling
    expect(owner.gone).toEqual([])
  })
})

describe('a dialer that is closed', () => {
  const given = { reason: 'closed', origin: 'local' }

  it('gives up a dial that waits for a name', async ({ ports }) => {
    const { dialer, owner } = ports.dialer('tcp://name.invalid:1')
    const dialling = dialer.dial(owner, [])
    dialer.close()
    await expect(dialling).rejects.toMatchObject(given)
  })

  it('gives up a dial that waits for TCP', async ({ ports }) => {
    const { dialer, owner } = ports.dialer(await ports.silentAddress())
    const dialling = dialer.dial(owner, [])
    for (let turns = 0; turns < 5; turns += 1) await turn()
    dialer.close()
    await expect(dialling).rejects.toMatchObject(given)
  })

  it('gives up all dials that wait for HELLO, and closes their connections', async ({ ports }) => {
    const raw = await ports.rawServer()
    const { dialer, owner } = ports.dialer(raw.address)
    const dials = Promise.allSettled([1, 2, 3].map(() => dialer.dial(owner, [])))
    const peers = [await raw.accept(), await raw.accept(), await raw.accept()]
    for (const peer of peers) await peer.nextOf(KIND.HELLO)
    dialer.close()
    const refused = { status: 'rejected', reason: given }
    expect(await dials).toMatchObject([refused, refused, refused])
    for (const peer of peers) await peer.closed
    expect([owner.ready, owner.gone]).toEqual([[], []])
  })
})
