import { beforeAll, describe, expect } from 'vitest'
import { type ClientOptions, type Reason, type ServerOptions, TransportError } from '../../src/index.js'
import {
  Authority,
  CLIENT_USE,
  CODE_SIGNING_USE,
  type Identity,
  SERVER_USE,
  selfSigned,
  type Wish,
} from '../fixtures/certificates.mjs'
import { it, type Stage } from '../fixtures/stage.js'

/** A bit of the key usages. */
const KEY_CERT_SIGN = 0x20

let root: Authority
let stranger: Authority
let middle: Authority
let expiredRoot: Authority
let good: { readonly server: Identity; readonly client: Identity }

beforeAll(async () => {
  root = await Authority.make('root')
  stranger = await Authority.make('root')
  middle = await Authority.make('middle', root)
  expiredRoot = await Authority.make('old root', undefined, { fromDays: -9, toDays: -1 })
  good = {
    server: await root.issue({ dns: ['server.example'], ip: ['127.0.0.1'] }),
    client: await root.issue({ uri: ['spiffe://example/client'] }),
  }
})

/** What a good server or client of this test says, unless a row says otherwise. */
const SERVER: Wish = { dns: ['server.example'], ip: ['127.0.0.1'] }
const CLIENT: Wish = { uri: ['spiffe://example/client'] }

interface Row {
  readonly name: string
  readonly shown: () => Promise<Identity | null>
  /** Null where it is taken. */
  readonly reason: Reason | null
  /** Of who shows the certificate. */
  readonly id?: string
  /** Of the client. */
  readonly options?: ClientOptions['tls']
  readonly host?: string
}

/** Certificates of a server, dialled at 127.0.0.1 by a client that shows one itself. */
const SERVERS: readonly Row[] = [
  { name: 'a good one', shown: () => root.issue(SERVER), reason: null },
  { name: 'one of a known root through an intermediate that it sends', shown: chained(SERVER), reason: null },
  { name: 'one whose intermediate is missing', shown: () => middle.issue(SERVER), reason: 'tls-untrusted' },
  { name: 'one of another root of the same name', shown: () => stranger.issue(SERVER), reason: 'tls-untrusted' },
  { name: 'one that signed itself', shown: () => selfSigned(SERVER), reason: 'tls-untrusted' },
  {
    name: 'one of a root that has expired',
    shown: () => expiredRoot.issue(SERVER),
    reason: 'tls-expired',
    options: expired(),
  },
  { name: 'one that expired', shown: () => root.issue({ ...SERVER, fromDays: -3, toDays: -1 }), reason: 'tls-expired' },
  { name: 'one that is not valid yet', shown: () => root.issue({ ...SERVER, fromDays: 1 }), reason: 'tls-expired' },
  { name: 'one for another name', shown: () => root.issue({ dns: ['other.example'] }), reason: 'tls-name-mismatch' },
  {
    name: 'one for another number',
    shown: () => root.issue({ ...SERVER, ip: ['127.0.0.2'] }),
    reason: 'tls-name-mismatch',
  },
  {
    name: 'one with the number as its common name only',
    shown: () => root.issue({ commonName: '127.0.0.1' }),
    reason: 'tls-name-mismatch',
  },
  {
    name: 'one with the name as its common name only',
    shown: () => root.issue({ commonName: 'localhost' }),
    reason: 'tls-name-mismatch',
    host: 'localhost',
  },
  { name: 'one without any name', shown: () => root.issue({}), reason: 'tls-name-mismatch' },
  {
    name: 'one with the number as a DNS name',
    shown: () => root.issue({ dns: ['127.0.0.1'] }),
    reason: 'tls-name-mismatch',
  },
  {
    name: 'one for the name that is dialled',
    shown: () => root.issue({ dns: ['localhost'] }),
    reason: null,
    host: 'localhost',
  },
  {
    name: 'one for the name that is asked for',
    shown: () => root.issue({ dns: ['a.example'] }),
    reason: null,
    options: { serverName: 'a.example' },
  },
  {
    name: 'one for the number, where a name is asked for',
    shown: () => root.issue(SERVER),
    reason: 'tls-name-mismatch',
    options: { serverName: 'a.example' },
  },
  {
    name: 'a wildcard for the name',
    shown: () => root.issue({ dns: ['*.nodes.example', 'server.example'] }),
    reason: null,
    options: { serverName: 'a.nodes.example' },
    id: 'server.example',
  },
  {
    name: 'a wildcard one level too high',
    shown: () => root.issue({ dns: ['*.nodes.example', 'server.example'] }),
    reason: 'tls-name-mismatch',
    options: { serverName: 'a.b.nodes.example' },
    id: 'server.example',
  },
  {
    name: 'one meant for clients only',
    shown: () => root.issue({ ...SERVER, usages: [CLIENT_USE] }),
    reason: 'tls-untrusted',
  },
  {
    name: 'one meant for signing code',
    shown: () => root.issue({ ...SERVER, usages: [CODE_SIGNING_USE] }),
    reason: 'tls-untrusted',
  },
  {
    name: 'one that may only sign certificates',
    shown: () => root.issue({ ...SERVER, keyUsages: KEY_CERT_SIGN, usages: null }),
    reason: 'tls-untrusted',
  },
  { name: 'the root itself', shown: () => root.asLeaf(), reason: 'tls-untrusted' },
  { name: 'one signed by one that is no authority', shown: signedByLeaf(SERVER), reason: 'tls-untrusted' },
  {
    name: 'one with another name than the HELLO',
    shown: () => root.issue(SERVER),
    reason: 'identity-mismatch',
    id: 'somebody.else',
  },
  {
    name: 'one that has the id of the HELLO as its common name',
    shown: () => root.issue({ ...SERVER, commonName: 'boss' }),
    reason: 'identity-mismatch',
    id: 'boss',
  },
  {
    name: 'one with a number only, which is nobody’s id',
    shown: () => root.issue({ ip: ['127.0.0.1'] }),
    reason: 'identity-mismatch',
    id: '127.0.0.1',
  },
]

/** Certificates of a client. */
const CLIENTS: readonly Row[] = [
  { name: 'a good one with a URI', shown: () => root.issue(CLIENT), reason: null },
  { name: 'a good one with a DNS name', shown: () => root.issue({ dns: ['client.example'] }), reason: null },
  {
    name: 'one with many names, of which the HELLO says one',
    shown: () => root.issue({ dns: ['a.example', 'b.example'], uri: ['urn:c'] }),
    id: 'urn:c',
    reason: null,
  },
  { name: 'one through an intermediate that it sends', shown: chained(CLIENT), reason: null },
  { name: 'none', shown: async () => null, reason: 'tls-certificate-required' },
  { name: 'one whose intermediate is missing', shown: () => middle.issue(CLIENT), reason: 'tls-untrusted' },
  { name: 'one of another root of the same name', shown: () => stranger.issue(CLIENT), reason: 'tls-untrusted' },
  { name: 'one that signed itself', shown: () => selfSigned(CLIENT), reason: 'tls-untrusted' },
  { name: 'one that expired', shown: () => root.issue({ ...CLIENT, fromDays: -3, toDays: -1 }), reason: 'tls-expired' },
  { name: 'one that is not valid yet', shown: () => root.issue({ ...CLIENT, fromDays: 1 }), reason: 'tls-expired' },
  {
    name: 'one meant for servers only',
    shown: () => root.issue({ ...CLIENT, usages: [SERVER_USE] }),
    reason: 'tls-untrusted',
  },
  {
    name: 'one that may only sign certificates',
    shown: () => root.issue({ ...CLIENT, keyUsages: KEY_CERT_SIGN, usages: null }),
    reason: 'tls-untrusted',
  },
  { name: 'the root itself', shown: () => root.asLeaf(), reason: 'tls-untrusted', id: 'root' },
  { name: 'one signed by one that is no authority', shown: signedByLeaf(CLIENT), reason: 'tls-untrusted' },
  {
    name: 'one with a name that the HELLO does not say',
    shown: () => root.issue(CLIENT),
    id: 'spiffe://example/boss',
    reason: 'identity-mismatch',
  },
  {
    name: 'one whose name the HELLO says in other letters',
    shown: () => root.issue({ dns: ['client.example'] }),
    id: 'CLIENT.example',
    reason: 'identity-mismatch',
  },
  {
    name: 'one that has the id as its common name only',
    shown: () => root.issue({ commonName: 'boss' }),
    id: 'boss',
    reason: 'identity-mismatch',
  },
  { name: 'one without any name', shown: () => root.issue({}), id: 'client', reason: 'identity-mismatch' },
  {
    name: 'one with a number only',
    shown: () => root.issue({ ip: ['127.0.0.1'] }),
    id: '127.0.0.1',
    reason: 'identity-mismatch',
  },
  {
    name: 'a wildcard that the id falls under',
    shown: () => root.issue({ dns: ['*.example'] }),
    id: 'a.example',
    reason: 'identity-mismatch',
  },
  {
    name: 'a wildcard that the id repeats',
    shown: () => root.issue({ dns: ['*.example'] }),
    id: '*.example',
    reason: 'identity-mismatch',
  },
  {
    name: 'a URI that contains another entry',
    shown: () => root.issue({ uri: ['urn:x, DNS:boss'] }),
    id: 'boss',
    reason: 'identity-mismatch',
  },
]

function expired(): ClientOptions['tls'] {
  return { ca: [] }
}

/** With the intermediate behind it. */
function chained(wish: Wish): () => Promise<Identity> {
  return async () => {
    const { cert, key } = await middle.issue(wish)
    return { cert: `${cert}\n${middle.pem}`, key }
  }
}

function signedByLeaf(wish: Wish): () => Promise<Identity> {
  return async () => {
    const leaf = await Authority.make('no authority', root, { ca: false })
    const { cert, key } = await leaf.issue(wish)
    return { cert: `${cert}\n${leaf.pem}`, key }
  }
}

interface Outcome {
  readonly answer: unknown
  /** Counted by the client and by the server. */
  readonly counted: { readonly client: number; readonly server: number }
}

async function play(
  stage: Stage,
  server: ServerOptions,
  client: ClientOptions,
  { host = '127.0.0.1', reason }: Row,
): Promise<Outcome> {
  const listening = await stage.listening(server, `tls://${host}:0`)
  listening.server.handle('who', (_, { peer }) => `${peer.id} ${peer.proven}`)
  const caller = stage.client(listening.address, client)
  const answer = await caller.call('who', null).catch((error: unknown) => error)
  const count = (metrics: { failures: Readonly<Record<Reason, number>> }): number => {
    return reason === null ? 0 : metrics.failures[reason]
  }
  return { answer, counted: { client: count(caller.metrics()), server: count(listening.server.metrics()) } }
}

describe('a client takes of a server', () => {
  it.for(SERVERS)('$name: $reason', async (row, { stage }) => {
    const shown = await row.shown()
    const ca = row.options?.ca === undefined ? root.pem : expiredRoot.pem
    const server = { tls: { ...shown, ca: root.pem }, ...(row.id === undefined ? {} : { id: row.id }) }
    const client = { tls: { ...good.client, ...row.options, ca } }
    const { answer, counted } = await play(stage, server, client, row)
    if (row.reason === null) {
      expect(answer).toBe('spiffe://example/client true')
      return
    }
    expect(answer).toBeInstanceOf(TransportError)
    expect(answer).toMatchObject({ reason: row.reason })
    expect(counted.client).toBeGreaterThan(0)
  })
})

describe('a server takes of a client', () => {
  it.for(CLIENTS)('$name: $reason', async (row, { stage }) => {
    const shown = await row.shown()
    const server = { tls: { ...good.server, ca: root.pem } }
    const id = row.id === undefined ? {} : { id: row.id }
    const { answer, counted } = await play(stage, server, { tls: { ...shown, ca: root.pem }, ...id }, row)
    if (row.reason === null) {
      expect(answer).toMatch(/ true$/)
      return
    }
    expect(answer).toBeInstanceOf(TransportError)
    // The server says why, and counts it.
    expect(answer).toMatchObject({ reason: row.reason, origin: 'peer' })
    expect(counted.server).toBeGreaterThan(0)
  })
})
