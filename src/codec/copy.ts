// Hot path: runs for every decoded field of bytes that must not share memory with its message.

/** `bytes[start, end)` in memory of its own. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Buffer {
  const length = end - start
  const copy = Buffer.allocUnsafe(length)
  if (length <= 48) {
    for (let index = 0; index < length; index += 1) copy[index] = bytes[start + index] as number
  } else {
    copy.set(bytes.subarray(start, end))
  }
  return copy
}
