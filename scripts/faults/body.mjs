// The body of a call: its id, a sum over what follows, how long its handler takes, and bytes drawn from the id.
const HEAD_BYTES = 9

export function bodyOf(id, size, delayMs) {
  const body = Buffer.alloc(HEAD_BYTES + size, id & 0xff)
  body.writeUInt32LE(id, 0)
  body.writeUInt8(delayMs, 8)
  body.writeUInt32LE(checkSum(body), 4)
  return body
}

/** Over everything but itself. */
export function checkSum(body) {
  let sum = 0
  for (let at = 0; at < body.length; at += 1) if (at < 4 || at > 7) sum = (Math.imul(sum, 31) + body[at]) >>> 0
  return sum
}
