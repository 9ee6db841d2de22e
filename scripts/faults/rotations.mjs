// Calls without a pause over TLS while both sides replace their certificates, and a new connection after each time.
import { setTimeout as pause } from 'node:timers/promises'
import { Client, Server } from '../../dist/index.js'
import { Authority } from '../../test/fixtures/certificates.mjs'

const CALLERS = 16
const CALLS_PER_ROTATION = 100

export async function rotations({ count }) {
  const root = await Authority.make('root')
  const ca = root.pem
  const serverOf = (round) => root.issue({ dns: ['server.example', `server-${round}`], ip: ['127.0.0.1'] })
  const clientOf = (round) => root.issue({ uri: ['urn:client', `urn:round:${round}`] })
  const server = new Server({ tls: { ...(await serverOf(0)), ca } })
  server.handle('echo', (request) => request)
  const { address } = await server.listen('tls://127.0.0.1:0')
  const tls = { ...(await clientOf(0)), ca }
  const steady = new Client(address, { tls })
  const failures = {}
  let answered = 0
  let failed = 0
  let stopped = false
  const call = async () => {
    while (!stopped) {
      try {
        await steady.call('echo', answered)
        answered += 1
      } catch (error) {
        failed += 1
        failures[error.reason ?? error.message] = (failures[error.reason ?? error.message] ?? 0) + 1
        // A client that can do nothing would fail without a pause for anybody else.
        await pause(1)
      }
    }
  }
  const calling = Array.from({ length: CALLERS }, call)
  /** Rounds whose new connection did not have the new certificates of both sides. */
  let unseen = 0
  const namesOf = (end) => end.info().connections.flatMap(({ tls: facts }) => facts?.peerNames ?? [])
  const startedAt = performance.now()
  try {
    for (let round = 1; round <= count; round += 1) {
      const before = answered + failed
      // It dials when it is first called, and not before its certificate is the new one.
      const newcomer = new Client(address, { tls, pool: { min: 0, max: 1 } })
      server.rotate(await serverOf(round))
      newcomer.rotate(await clientOf(round))
      await newcomer.call('echo', round)
      const seen = [...namesOf(newcomer), ...namesOf(server)]
      if (!seen.includes(`server-${round}`) || !seen.includes(`urn:round:${round}`)) unseen += 1
      await newcomer.close()
      while (answered + failed < before + CALLS_PER_ROTATION) await pause(1)
    }
  } finally {
    stopped = true
    await Promise.all(calling)
    await steady.close()
    await server.close()
  }
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  return { pass: failed === 0 && unseen === 0, rotations: count, answered, failed, failures, unseen, seconds }
}
