import { failure, type TransportError } from '../base/errors.js'

/** Both would write to the same place. */
export function reentrant(): TransportError {
  return failure('encode-failed', 'nothing can be sent by a getter or toJSON of a value that is being sent')
}
