import type { Metrics, Reason } from '../../src/index.js'
import type { Simulation } from '../../src/testing.js'
import type { Book } from './book.js'
import type { Site } from './site.js'

/**
 * What can go wrong between two sides that both are this library, with faults and limits as they are drawn here. Any
 * other failure says that one side broke a rule, or believes that the other did.
 */
const EXPECTED: ReadonlySet<Reason> = new Set<Reason>([
  'closed',
  'connect-refused',
  'connect-failed',
  'connect-timeout',
  'handshake-timeout',
  'connection-lost',
  'going-away',
  'frame-stalled',
  'heartbeat-timeout',
  'too-many-open-calls',
  'overloaded',
  'throttled',
  'queue-full',
  'too-many-streams',
  'answers-unread',
  'write-stalled',
  'handler-failed',
  'deadline',
  'cancelled',
])

/** No rule was broken, and what was counted adds up. */
export function judgeFailures(site: Site, book: Book): void {
  for (const metrics of [site.server.metrics(), ...site.callers.map(({ client }) => client.metrics())]) {
    for (const [reason, count] of Object.entries(metrics.failures)) {
      if (count > 0 && !EXPECTED.has(reason as Reason))
        book.violate('rules kept', `${site.machine.host} counted ${count} of ${reason}`)
    }
  }
}

/** All is answered: no call, stream or handler has a place any more. */
export function judgePlaces({ machine, server, callers }: Site, book: Book): void {
  for (const end of [server, ...callers.map(({ client }) => client)]) {
    for (const { remote, openCalls, openStreams, runningHandlers } of end.info().connections) {
      if (openCalls + openStreams + runningHandlers === 0) continue
      const places = `${openCalls} calls, ${openStreams} streams and ${runningHandlers} handlers`
      book.violate('places given back', `${machine.host} at rest: ${places} are open with ${remote}`)
    }
  }
}

/** After close nothing is left: no timer, no buffer, no connection, no handler. */
export function judgeRest(simulation: Simulation, sites: readonly Site[], book: Book): void {
  const { network } = simulation
  const left = (what: string): void => book.violate('quiescence', `${what} after close`)
  if (network.connectionCount > 0) left(`${network.connectionCount} connections are open`)
  if (network.listenerCount > 0) left(`somebody listens`)
  for (const site of sites) {
    const { host, timers } = site.machine
    if (!site.closed) left(`${host} never finished to close`)
    if (timers > 0) left(`${timers} timers of ${host} are set`)
    judgeFailures(site, book)
    const ends = [site.server, ...site.callers.map(({ client }) => client)]
    for (const end of ends) {
      const { buffers, connections } = end.info()
      if (buffers.current !== 0) left(`${buffers.current} bytes of buffers of ${host} are out`)
      if (connections.length > 0) left(`${host} knows ${connections.length} connections`)
      judgeCounts(end.metrics(), host, book)
    }
  }
}

function judgeCounts(metrics: Metrics, host: string, book: Book): void {
  const { callsStarted, callsSucceeded, callsFailed, handlersStarted, handlersFinished } = metrics
  if (callsStarted !== callsSucceeded + callsFailed)
    book.violate('counts', `${host}: ${callsStarted} calls, ${callsSucceeded} succeeded, ${callsFailed} failed`)
  if (handlersStarted !== handlersFinished)
    book.violate('counts', `${host}: ${handlersStarted} handlers began, ${handlersFinished} settled`)
}
