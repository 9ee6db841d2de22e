/**
 * gRPC's canonical status codes with their numbers; the numbers travel in error frames.
 * Source: https://grpc.io/docs/guides/status-codes/ (OK is not an error and has no row).
 */
export const STATUS = {
  CANCELLED: { number: 1, meaning: 'The caller gave the call up.' },
  UNKNOWN: { number: 2, meaning: 'The handler failed with an error that carries no code.' },
  INVALID_ARGUMENT: { number: 3, meaning: 'The input is wrong whatever the state of the system.' },
  DEADLINE_EXCEEDED: { number: 4, meaning: 'Time ran out before there was an outcome.' },
  NOT_FOUND: { number: 5, meaning: 'A thing that was asked for does not exist.' },
  ALREADY_EXISTS: { number: 6, meaning: 'A thing that should be made exists already.' },
  PERMISSION_DENIED: { number: 7, meaning: 'The caller is known and may not do this.' },
  RESOURCE_EXHAUSTED: { number: 8, meaning: 'A limit was reached: a queue, a size, a rate.' },
  FAILED_PRECONDITION: { number: 9, meaning: 'The system is not in the state the operation needs.' },
  ABORTED: { number: 10, meaning: 'A conflict; start again at a higher level.' },
  OUT_OF_RANGE: { number: 11, meaning: 'Past the end of what is there.' },
  UNIMPLEMENTED: { number: 12, meaning: 'Nobody implements this method.' },
  INTERNAL: { number: 13, meaning: 'An invariant is broken, or a peer broke the protocol.' },
  UNAVAILABLE: { number: 14, meaning: 'There is no way to the peer just now; trying again may help.' },
  DATA_LOSS: { number: 15, meaning: 'Data cannot be recovered.' },
  UNAUTHENTICATED: { number: 16, meaning: 'The caller did not prove who it is.' },
} as const

export type StatusCode = keyof typeof STATUS

const byNumber = new Map<number, StatusCode>(
  Object.entries(STATUS).map(([code, row]) => [row.number, code as StatusCode]),
)

/** The code behind a number from the wire; a number nobody knows is `UNKNOWN`, as gRPC has it. */
export function statusFromNumber(number: number): StatusCode {
  return byNumber.get(number) ?? 'UNKNOWN'
}
