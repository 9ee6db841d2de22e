import type { Socket } from 'node:net'

const LENGTH_BYTES = 4

/** u32 length and JSON, one write per message: what is written by hand first, before anybody measures. */
export function writeJson(socket: Socket, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value))
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + body.length)
  frame.writeUInt32LE(body.length, 0)
  frame.set(body, LENGTH_BYTES)
  socket.write(frame)
}

/** Calls back with each whole message of a socket. */
export function readJson(socket: Socket, onMessage: (value: unknown) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (bytes.length >= LENGTH_BYTES && bytes.length >= LENGTH_BYTES + bytes.readUInt32LE(0)) {
      const end = LENGTH_BYTES + bytes.readUInt32LE(0)
      onMessage(JSON.parse(bytes.toString('utf8', LENGTH_BYTES, end)))
      bytes = bytes.subarray(end)
    }
    rest = bytes
  })
}

/** What JSON carries of a transaction: hexadecimal, as JSON-RPC has it. */
export function toHex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`
}

/** The answer of an ingest: the first 32 bytes, in hexadecimal still. */
export function receiptOf(hex: string): string {
  return hex.slice(0, 2 + 64)
}
