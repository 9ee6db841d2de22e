import { Authority } from '../fixtures/certificates.mjs'
import { type Stage, until } from '../fixtures/stage.js'

const CALLERS = 16
const CALLS_PER_ROUND = 100

export interface RotationOutcome {
  readonly answered: number
  readonly failures: readonly unknown[]
  /** Rounds whose new connection did not have the new certificates of both sides. */
  readonly unseen: number
}

/** Calls without a pause while both sides replace their certificates, and new connections in between. */
export async function rotateUnderLoad(stage: Stage, rotations: number): Promise<RotationOutcome> {
  const root = await Authority.make('root')
  const serverOf = (round: number) => root.issue({ dns: ['server.example', `server-${round}`], ip: ['127.0.0.1'] })
  const clientOf = (round: number) => root.issue({ uri: ['urn:client', `urn:round:${round}`] })
  const ca = root.pem
  const { server, address } = await stage.listening({ tls: { ...(await serverOf(0)), ca } }, 'tls://127.0.0.1:0')
  server.handle('echo', (request) => request)
  const first = { tls: { ...(await clientOf(0)), ca } }
  const steady = stage.client(address, first)
  const failures: unknown[] = []
  let answered = 0
  let stopped = false
  const call = async (): Promise<void> => {
    while (!stopped) {
      try {
        await steady.call('echo', answered)
        answered += 1
      } catch (error) {
        failures.push(error)
      }
    }
  }
  const calling = Array.from({ length: CALLERS }, call)
  let unseen = 0
  try {
    for (let round = 1; round <= rotations; round += 1) {
      const before = answered
      // It dials when it is first called, and not before its certificate is the new one.
      const newcomer = stage.client(address, { ...first, pool: { min: 0, max: 1 } })
      server.rotate(await serverOf(round))
      newcomer.rotate(await clientOf(round))
      await newcomer.call('echo', round)
      const names = (list: ReturnType<typeof server.info>['connections']) =>
        list.flatMap(({ tls }) => tls?.peerNames ?? [])
      const seen = [...names(newcomer.info().connections), ...names(server.info().connections)]
      if (!seen.includes(`server-${round}`) || !seen.includes(`urn:round:${round}`)) unseen += 1
      await newcomer.close()
      await until(() => failures.length > 0 || answered >= before + CALLS_PER_ROUND)
    }
  } finally {
    stopped = true
    await Promise.all(calling)
  }
  return { answered, failures, unseen }
}
