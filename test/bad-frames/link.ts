import type { ClientOptions, ServerOptions } from '../../src/index.js'
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
