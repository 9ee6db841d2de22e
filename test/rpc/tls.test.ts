import { connect as connectTcp } from 'node:net'
import { connect } from 'node:tls'
import { beforeAll, describe, expect } from 'vitest'
import { type Client, type Server, TransportError } from '../../src/index.js'
import { Authority, type Identity } from '../fixtures/certificates.mjs'
import type { RawServer } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

let root: Authority
let server: Identity
let client: Identity
let plain: { readonly ca: string }

const SERVER = { dns: ['server.example'], ip: ['127.0.0.1'] }

beforeAll(async () => {
  root = await Authority.make('root')
  server = await root.issue(SERVER)
  client = await root.issue({ uri: ['spiffe://example/client'] })
  plain = { ca: root.pem }
})

const TLS = 'tls://127.0.0.1:0'

/** Both sides show a certificate. */
async function mutual(stage: Stage): Promise<{ server: Server; address: string; client: Client }> {
  const listening = await stage.listening({ tls: { ...server, ca: root.pem } }, TLS)
  listening.server.handle('echo', (request) => request)
  listening.server.handle('who', (_, { peer }) => ({ id: peer.id, proven: peer.proven }))
  return { ...listening, client: stage.client(listening.address, { tls: { ...client, ca: root.pem } }) }
}

describe('a peer over TLS', () => {
  it('is proven to handlers, and to who looks, where both sides show a certificate', async ({ stage }) => {
    const both = await mutual(stage)
    expect(await both.client.call('who', null)).toEqual({ id: 'spiffe://example/client', proven: true })
    const facts = { kind: 'tls', peerProven: true, tls: { protocol: 'TLSv1.3', mutual: true, sessionReused: false } }
    expect(both.client.info().connections).toMatchObject([{ ...facts, peerId: 'server.example' }])
    expect(both.server.info().connections).toMatchObject([{ ...facts, peerId: 'spiffe://example/client' }])
  })

  it('is a claim where only the server shows one', async ({ stage }) => {
    const { server: listening, address } = await stage.listening({ tls: server }, TLS)
    listening.handle('who', (_, { peer }) => ({ id: peer.id, proven: peer.proven }))
    const caller = stage.client(address, { tls: plain, id: 'somebody' })
    expect(await caller.call('who', null)).toEqual({ id: 'somebody', proven: false })
    // Nobody asked the server to prove more than its host; its certificate happens to.
    expect(caller.info().connections).toMatchObject([
      { peerId: 'server.example', peerProven: true, tls: { mutual: false } },
    ])
  })

  it('is a claim without TLS, whatever the options say', async ({ stage }) => {
    const { server: listening, address } = await stage.listening({ tls: { ...server, ca: root.pem } })
    listening.handle('who', (_, { peer }) => ({ id: peer.id, proven: peer.proven }))
    const caller = stage.client(address, { tls: { ...client, ca: root.pem } })
    expect(await caller.call('who', null)).toEqual({ id: 'spiffe://example/client', proven: false })
  })

  it('is called what its certificate says first, unless it is given an id', async ({ stage }) => {
    const many = await root.issue({ dns: ['*.example', 'first.example', 'second.example'], ip: ['127.0.0.1'] })
    const names: (string | null | undefined)[] = []
    for (const id of [undefined, 'second.example']) {
      const { address } = await stage.listening({ tls: many, ...(id === undefined ? {} : { id }) }, TLS)
      const caller = stage.client(address, { tls: plain })
      await caller.connect()
      names.push(caller.info().connections[0]?.peerId)
    }
    expect(names).toEqual(['first.example', 'second.example'])
  })

  it('does not reach a server without the options that TLS takes', async ({ stage }) => {
    await expect(stage.server().listen(TLS)).rejects.toMatchObject({
      reason: 'tls-options',
      details: { option: 'tls.cert' },
    })
    const tls = { ...server, ca: root.pem }
    expect(() => stage.server({ tls: { ...tls, serverName: 'x' } as object })).toThrow(/unknown option tls\.serverName/)
    expect(() => stage.client('tls://127.0.0.1:1', { tls: { cert: server.cert } })).toThrow(/tls\.key/)
  })
})

describe('plain and TLS', () => {
  it('are told apart by both sides: a plain client at a TLS address', async ({ stage }) => {
    const { server: listening, address } = await stage.listening({ tls: server }, TLS)
    const caller = stage.client(address.replace('tls:', 'tcp:'))
    await expect(caller.connect()).rejects.toMatchObject({
      reason: 'not-this-protocol',
      details: { looksLike: 'a TLS alert' },
    })
    await until(() => listening.metrics().connectionsClosed === 1)
    expect(listening.metrics()).toMatchObject({ connectionsOpened: 1, failures: { 'not-this-protocol': 1 } })
  })

  it('are told apart by both sides: a TLS client at a plain address', async ({ stage }) => {
    const { server: listening, address } = await stage.listening()
    const caller = stage.client(address.replace('tcp:', 'tls:'), { tls: plain })
    await expect(caller.connect()).rejects.toMatchObject({ reason: 'not-this-protocol' })
    await until(() => listening.metrics().connectionsClosed === 1)
    expect(listening.metrics().failures['not-this-protocol']).toBe(1)
  })
})

describe('a peer that is silent in the TLS handshake', () => {
  it('is given up by a server after limits.handshakeMs, and no earlier', async ({ stage }) => {
    const clock = new VirtualClock()
    const { server: listening, address } = await stage.listening({ tls: server, clock }, TLS)
    const peer = await stage.dial(address)
    await until(() => listening.metrics().connectionsOpened === 1)
    clock.advance(4_990)
    await turn()
    expect(peer.gone).toBe(false)
    clock.advance(20)
    await peer.closed
    expect(listening.metrics()).toMatchObject({ connectionsClosed: 1, failures: { 'handshake-timeout': 1 } })
  })

  it('has that time for TLS and HELLO together', async ({ stage }) => {
    const clock = new VirtualClock()
    const { server: listening, address } = await stage.listening({ tls: server, clock }, TLS)
    const port = Number(address.split(':').at(-1))
    const socket = connectTcp(port, '127.0.0.1')
    await until(() => listening.metrics().connectionsOpened === 1)
    clock.advance(4_000)
    const secured = connect({ socket, host: '127.0.0.1', ca: root.pem, ALPNProtocols: ['alys/1'] })
    const greeting: Buffer[] = []
    secured.on('data', (bytes: Buffer) => greeting.push(bytes))
    await until(() => greeting.length > 0)
    clock.advance(900)
    await turn()
    expect(secured.destroyed).toBe(false)
    clock.advance(200)
    await until(() => secured.readableEnded)
    expect(listening.metrics().failures['handshake-timeout']).toBe(1)
    secured.destroy()
    await until(() => secured.closed)
  })

  it('is given up by a client after socket.connectTimeoutMs', async ({ stage }) => {
    const clock = new VirtualClock()
    const raw: RawServer = await stage.rawServer()
    const caller = stage.client(raw.address.replace('tcp:', 'tls:'), { tls: plain, clock })
    const connecting = caller.connect().catch((error: unknown) => error)
    await raw.accept()
    clock.advance(5_010)
    expect(await connecting).toMatchObject({ reason: 'connect-timeout' })
    expect(caller.metrics().failures['connect-timeout']).toBe(1)
  })

  it('counts as a handshake from accept on, in all and by address', async ({ stage }) => {
    const limits = { maxHandshakes: 3, maxHandshakesPerAddress: 2 }
    const { server: listening, address } = await stage.listening({ tls: server, limits }, TLS)
    const first = await stage.dial(address)
    await stage.dial(address)
    await until(() => listening.metrics().connectionsOpened === 2)
    const third = await stage.dial(address)
    await third.closed
    expect(listening.metrics().failures['too-many-handshakes-per-address']).toBe(1)
    first.destroy()
    await until(() => listening.metrics().connectionsClosed === 1)
    const caller = stage.client(address, { tls: plain })
    await caller.connect()
    expect(listening.metrics().failures['tls-failed']).toBe(1)
  })

  it('is cut when the server closes', async ({ stage }) => {
    const { server: listening, address } = await stage.listening({ tls: server }, TLS)
    const peer = await stage.dial(address)
    await until(() => listening.metrics().connectionsOpened === 1)
    await listening.close({ graceMs: 0 })
    await peer.closed
    expect(listening.metrics().connectionsClosed).toBe(1)
  })
})

describe('a server whose certificate was swapped', () => {
  it('is refused by who knew the old one, ticket or not', async ({ stage }) => {
    const first = await mutual(stage)
    await first.client.call('echo', 1)
    const port = first.address.split(':').at(-1)
    await first.server.close({ graceMs: 0 })
    const wrong = await (await Authority.make('root')).issue(SERVER)
    const second = await stage.listening({ tls: { ...wrong, ca: root.pem } }, `tls://127.0.0.1:${port}`)
    const outcome = await first.client.call('echo', 2).catch((error: unknown) => error)
    expect(outcome).toBeInstanceOf(TransportError)
    expect(outcome).toMatchObject({ reason: 'tls-untrusted' })
    expect(second.server.metrics().callsStarted + second.server.metrics().handlersStarted).toBe(0)
  })
})

describe('new certificates', () => {
  it('that do not do are refused before anything changes', async ({ stage }) => {
    const both = await mutual(stage)
    expect(() => both.server.rotate({ cert: client.cert })).toThrow(/tls\.key/)
    expect(() => both.server.rotate(client)).toThrow(expect.objectContaining({ reason: 'identity-mismatch' }))
    expect(await both.client.call('echo', 1)).toBe(1)
  })

  it('of an authority keep those out that the old one let in', async ({ stage }) => {
    const both = await mutual(stage)
    await both.client.call('echo', 1)
    const next = await Authority.make('next')
    both.server.rotate({ ca: next.pem })
    // The connection that is there goes on.
    expect(await both.client.call('echo', 2)).toBe(2)
    const late = stage.client(both.address, { tls: { ...client, ca: root.pem } })
    await expect(late.call('echo', 3)).rejects.toMatchObject({ reason: 'tls-untrusted' })
    late.rotate(await next.issue({ uri: ['spiffe://example/client'] }))
    // An attempt to connect that was under way still showed the old one.
    expect(await late.call('echo', 4).catch(() => late.call('echo', 4))).toBe(4)
  })
})
