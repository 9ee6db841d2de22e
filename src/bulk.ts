/**
 * Heavy work on many items: in order, bounded, in threads of its own. Apart from the main entry point: it knows nothing
 * of calls, and only `WorkerPool` takes piscina.
 */
export { mapOrdered } from './bulk/map-ordered.js'
export type { MapOptions, OrderOptions, RunOptions, WorkerPoolOptions } from './bulk/options.js'
export { WorkerPool } from './bulk/worker-pool.js'
