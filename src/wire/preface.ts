import { failure, type TransportError } from '../base/errors.js'

/** "ALYS", then CR LF, which a transfer in text mode would have changed. */
const MAGIC = [0x41, 0x4c, 0x59, 0x53, 0x0d, 0x0a] as const
/** Magic, lowest and highest version spoken. */
export const PREFACE_BYTES = MAGIC.length + 2

/** The range of protocol versions this library speaks. */
export const VERSIONS = { lowest: 1, highest: 1 } as const

export function preface(): Buffer {
  return Buffer.from([...MAGIC, VERSIONS.lowest, VERSIONS.highest])
}

/**
 * Judges the first bytes of a connection, as many of them as are there. Returns the agreed version, null when more
 * bytes are needed, or why this is not a peer of ours: at the first wrong byte, not after the last.
 */
export function judgePreface(bytes: Uint8Array): number | null | TransportError {
  const known = Math.min(bytes.length, MAGIC.length)
  for (let index = 0; index < known; index += 1) {
    if (bytes[index] !== MAGIC[index]) {
      const looksLike = protocolOf(bytes)
      return failure(
        'not-this-protocol',
        `the peer does not speak this protocol; its first bytes look like ${looksLike}`,
        {
          details: { looksLike },
        },
      )
    }
  }
  const lowest = bytes[MAGIC.length]
  const highest = bytes[MAGIC.length + 1]
  if (lowest === undefined || highest === undefined) return null
  const agreed = Math.min(highest, VERSIONS.highest)
  if (lowest > highest || agreed < Math.max(lowest, VERSIONS.lowest)) {
    return failure(
      'version-mismatch',
      `the peer speaks versions ${lowest} to ${highest}, we speak ${VERSIONS.lowest} to ${VERSIONS.highest}`,
      {
        details: { lowest, highest },
      },
    )
  }
  return agreed
}

/** What strangers say first. Enough of the usual ones that an operator knows what knocked. */
const GREETINGS: readonly (readonly [RegExp, string])[] = [
  [/^PRI \* HTTP\/2/, 'HTTP/2'],
  [/^(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE) /, 'HTTP'],
  [/^HTTP\//, 'an HTTP answer'],
  [/^SSH-/, 'SSH'],
  [/^\x16\x03[\x00-\x04]/, 'a TLS handshake'],
  [/^\x15\x03/, 'a TLS alert'],
  [/^\x13BitTorrent/, 'BitTorrent'],
  [/^\*\d+\r\n/, 'Redis'],
  [/^\x13\/multistream/, 'libp2p'],
]

function protocolOf(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 32)).toString('latin1')
  return GREETINGS.find(([pattern]) => pattern.test(head))?.[1] ?? 'nothing known'
}
