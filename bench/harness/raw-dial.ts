import { connect, type Socket } from 'node:net'
import { encodeHello, HEADER_BYTES, KIND, LENGTH_BYTES, preface } from 'alys-transport/wire'

/** A connection that has said HELLO and heard one. The raw bytes keep the cost of a client out of this process. */
export function rawDial(port: number, greet: boolean): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('error', reject)
    if (greet) {
      socket.once('connect', () => socket.write(HELLO))
      socket.once('data', () => resolve(socket))
    } else socket.once('connect', () => resolve(socket))
  })
}

const HELLO = hello()

function hello(): Buffer {
  const fields = {
    peerId: 'bench',
    codecs: 0b111,
    compressions: 0b1,
    features: 0,
    maxFrameBytes: 2 ** 20,
    maxMessageBytes: 2 ** 22,
    maxOpenCalls: 1_024,
    maxMethods: 4_096,
    services: [],
    flow: null,
  }
  return Buffer.concat([preface(), rawFrame(KIND.HELLO, 0, 0, Buffer.concat(encodeHello(fields, 4_000)))])
}

/** One frame without flags: its payload is raw. */
export function rawFrame(kind: number, aux: number, id: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(HEADER_BYTES - LENGTH_BYTES + body.length, 0)
  header.writeUInt8(kind, LENGTH_BYTES)
  header.writeUInt16LE(aux, 6)
  header.writeUInt32LE(id, 8)
  return Buffer.concat([header, body])
}
