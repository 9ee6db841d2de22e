import { expect } from 'vitest'
import { systemNetwork } from '../../src/socket/network.js'
import { Authority } from '../fixtures/certificates.mjs'
import { it } from '../fixtures/stage.js'

it('trusts a host that was found by a name for that name, and not for the address that a name server told', async ({
  stage,
}) => {
  const root = await Authority.make('root')
  const record = { host: '127.0.0.1', port: null, priority: 0, weight: 1 }
  const network = { ...systemNetwork, resolve: async () => ({ records: [record], ttlMs: null }) }
  for (const [wish, outcome] of [
    [{ dns: ['nodes.example'] }, 'served'],
    [{ ip: ['127.0.0.1'] }, 'tls-name-mismatch'],
  ] as const) {
    const { server, address } = await stage.listening({ tls: await root.issue(wish) }, 'tls://127.0.0.1:0')
    server.handle('echo', (value) => value)
    const { port } = new URL(address)
    const client = stage.client(`dns+tls://nodes.example:${port}`, { network, tls: { ca: root.pem } })
    const got = await client.call('echo', 'served', { timeoutMs: 10_000 }).catch(({ reason }) => reason)
    expect(got).toBe(outcome)
  }
})
