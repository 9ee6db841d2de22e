import { failure } from '../base/errors.js'
import type { Limits } from '../connection/limits.js'

/** What travels beside a message: who asks, which trace. Keys are lower case; values are text. */
export type Metadata = Readonly<Record<string, string>>

type MetadataLimits = Pick<Limits, 'metadataEntries' | 'metadataBytes'>

const KEY = /^[a-z0-9._-]{1,128}$/
const KEY_HEAD_BYTES = 1
const VALUE_HEAD_BYTES = 2
const BLOCK_HEAD_BYTES = 2
export const NO_METADATA: Metadata = Object.freeze({})

/** `u16 n`, then n bytes of entries: `u8 k, k bytes of key, u16 v, v bytes of value`. */
export function encodeMetadata(metadata: Metadata, limits: MetadataLimits): Buffer {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw failure('metadata-malformed', 'metadata is an object of strings')
  }
  const entries = Object.entries(metadata)
  if (entries.length > limits.metadataEntries) throw tooMany(entries.length, limits)
  const parts: Buffer[] = [Buffer.alloc(BLOCK_HEAD_BYTES)]
  for (const [key, value] of entries) {
    if (!KEY.test(key))
      throw failure('metadata-malformed', `the metadata key '${key.slice(0, 64)}' does not match ${KEY.source}`)
    if (typeof value !== 'string') throw failure('metadata-malformed', `the metadata value of '${key}' is not a string`)
    const text = Buffer.from(value)
    const head = Buffer.alloc(VALUE_HEAD_BYTES)
    if (text.length > limits.metadataBytes) throw tooLarge(text.length, limits)
    head.writeUInt16LE(text.length)
    parts.push(Buffer.of(key.length), Buffer.from(key, 'latin1'), head, text)
  }
  const block = Buffer.concat(parts)
  const bytes = block.length - BLOCK_HEAD_BYTES
  if (bytes > limits.metadataBytes) throw tooLarge(bytes, limits)
  block.writeUInt16LE(bytes)
  return block
}

/** Reads the entries in `bytes[start, end)`: a block without its head. */
export function decodeMetadata(bytes: Buffer, start: number, end: number, limits: MetadataLimits): Metadata {
  if (start === end) return NO_METADATA
  if (end - start > limits.metadataBytes) throw tooLarge(end - start, limits)
  const entries: [string, string][] = []
  let at = start
  while (at < end) {
    if (entries.length === limits.metadataEntries) throw tooMany(entries.length + 1, limits)
    const keyEnd = at + KEY_HEAD_BYTES + (bytes[at] as number)
    const valueStart = keyEnd + VALUE_HEAD_BYTES
    if (valueStart > end) throw failure('metadata-malformed', 'a metadata entry is cut short')
    const valueEnd = valueStart + bytes.readUInt16LE(keyEnd)
    if (valueEnd > end) throw failure('metadata-malformed', 'a metadata entry is cut short')
    const key = bytes.toString('latin1', at + KEY_HEAD_BYTES, keyEnd)
    if (!KEY.test(key)) throw failure('metadata-malformed', `a metadata key does not match ${KEY.source}`)
    entries.push([key, bytes.toString('utf8', valueStart, valueEnd)])
    at = valueEnd
  }
  // `fromEntries` defines its properties, so that a key such as __proto__ is a key like any other.
  return Object.freeze(Object.fromEntries(entries))
}

function tooMany(count: number, limits: MetadataLimits): Error {
  return failure('metadata-entries', `${count} metadata entries, the limit is ${limits.metadataEntries}`)
}

function tooLarge(bytes: number, limits: MetadataLimits): Error {
  return failure('metadata-bytes', `${bytes} bytes of metadata, the limit is ${limits.metadataBytes}`)
}
