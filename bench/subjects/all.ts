import { FLOOR } from './floor.js'
import type { Subject } from './subject.js'

/**
 * Every subject but the floor, which makes no calls and has a driver of its own. Loaded when asked for: a process
 * carries the code of the one subject that it measures.
 */
const SUBJECTS: Readonly<Record<string, () => Promise<Subject>>> = {
  alys: async () => (await import('./alys.js')).alys,
  'alys-tls': async () => (await import('./alys.js')).alysTls,
  'alys-one-lane': async () => (await import('./alys.js')).alysOneLane,
  'alys-four-lanes': async () => (await import('./alys.js')).alysFourLanes,
  'alys-high': async () => (await import('./alys.js')).alysHigh,
  'alys-high-under-bulk': async () => (await import('./alys.js')).alysHighUnderBulk,
  'grpc-js': async () => (await import('./grpc.js')).grpcJs,
  ws: async () => (await import('./ws.js')).ws,
  'ws-corked': async () => (await import('./ws.js')).wsCorked,
  http2: async () => (await import('./http2.js')).http2,
  'baseline-connection-per-message': async () => (await import('./baseline-sockets.js')).connectionPerMessage,
  'baseline-kept-json': async () => (await import('./baseline-sockets.js')).keptJson,
  'baseline-undici': async () => (await import('./baseline-undici.js')).undiciJsonRpc,
}

/** The names of all subjects. */
export const SUBJECT_NAMES: readonly string[] = [FLOOR, ...Object.keys(SUBJECTS)]

export function subjectNamed(name: string): Promise<Subject> {
  const load = SUBJECTS[name]
  if (load === undefined) throw new Error(`there is no subject '${name}'; there are ${SUBJECT_NAMES.join(', ')}`)
  return load()
}
