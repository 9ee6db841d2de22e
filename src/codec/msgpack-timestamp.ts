/** The longest of the three forms of msgpack's timestamp extension, type -1. */
export const LONGEST_TIMESTAMP_BYTES = 15

/**
 * Writes a time in the shortest form that holds it (32, 64 or 96 bits; see the msgpack specification, "Timestamp
 * extension type"), and returns where it ends. There is room for the longest.
 */
export function writeTimestamp(view: DataView, at: number, timeMs: number): number {
  const seconds = Math.floor(timeMs / 1000)
  const nanoseconds = (timeMs - seconds * 1000) * 1_000_000
  const high = Math.floor(seconds / 0x1_0000_0000)
  if (high === 0 && nanoseconds === 0) {
    view.setUint16(at, 0xd6ff)
    view.setUint32(at + 2, seconds)
    return at + 6
  }
  if (high >= 0 && high < 4) {
    view.setUint16(at, 0xd7ff)
    view.setUint32(at + 2, nanoseconds * 4 + high)
    view.setUint32(at + 6, seconds >>> 0)
    return at + 10
  }
  view.setUint16(at, 0xc70c)
  view.setUint8(at + 2, 0xff)
  view.setUint32(at + 3, nanoseconds)
  view.setInt32(at + 7, high)
  view.setUint32(at + 11, seconds >>> 0)
  return at + 15
}
