import { defineService, raw, unary } from 'alys-transport'

export const Overload = defineService('overload', {
  /** Keeps the processor of the server busy for `BURN_MS`. */
  burn: unary({ request: raw(), response: raw() }),
  /** Fails, always. */
  fail: unary({ request: raw(), response: raw(), idempotent: true }),
  /** Answers with `LARGE_BYTES`. */
  large: unary({ request: raw(), response: raw() }),
})

export const BURN_MS = 1
/** A turn of them is less than what is granted: who does not read is paused first, and cut when it stalls. */
export const LARGE_BYTES = 16 * 1024

/** What the server grants to each peer that leaves answers unread. */
export const UNREAD_BYTES = 512 * 1024
