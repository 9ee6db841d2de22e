import type { ClientOptions, ServerOptions } from '../../src/index.js'
import { Authority } from '../fixtures/certificates.mjs'
import type { RawPeer, RawServer } from '../fixtures/raw-peer.js'
import type { Stage } from '../fixtures/stage.js'

/** What the bytes travel over. The cases are the same on each. */
export interface Link {
  readonly name: string
  /** Where our server listens. */
  readonly address: string
  readonly server: ServerOptions
  readonly client: ClientOptions
  /** The hostile peer dials our server. */
  dial(stage: Stage, address: string): Promise<RawPeer>
  /** The hostile peer listens for our client. */
  listen(stage: Stage): Promise<RawServer>
}

export const tcp: Link = {
  name: 'tcp',
  address: 'tcp://127.0.0.1:0',
  server: {},
  client: {},
  dial: (stage, address) => stage.dial(address),
  listen: (stage) => stage.rawServer(),
}

const PROTOCOL = 'alys/1'

/** Inside TLS bytes are as bad as outside. */
export async function tls(): Promise<Link> {
  const root = await Authority.make('root')
  const identity = await root.issue({ ip: ['127.0.0.1'], dns: ['peer.example'] })
  return {
    name: 'tls',
    address: 'tls://127.0.0.1:0',
    server: { tls: identity },
    client: { tls: { ca: root.pem } },
    dial: (stage, address) => stage.dialTls(address, { ca: root.pem, ALPNProtocols: [PROTOCOL] }),
    listen: (stage) => stage.rawTlsServer({ ...identity, ALPNProtocols: [PROTOCOL] }),
  }
}
