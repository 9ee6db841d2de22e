/** Heavy work on many items: in order, bounded. Apart from the main entry point: it knows nothing of calls. */
export { mapOrdered } from './bulk/map-ordered.js'
export type { OrderOptions } from './bulk/options.js'
