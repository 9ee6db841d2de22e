import { failure, TransportError } from '../base/errors.js'

/** Codecs of users may throw anything. */
export function asError(error: unknown): TransportError {
  if (error instanceof TransportError) return error
  const why = error instanceof Error ? error.message : String(error)
  return failure('encode-failed', `the codec failed: ${why}`, { cause: error })
}

/** What a peer may know of a codec that failed: not the text of the user's own getters and types. */
export function opaque(error: unknown): TransportError {
  if (error instanceof TransportError && error.reason !== 'encode-failed') return error
  return failure('encode-failed', 'the codec failed')
}
