import { compressSync, uncompressSync } from 'lz4-napi'
export function compressBlock(source: Uint8Array): Buffer { return compressSync(source as Buffer) }
export function inflateBlock(bytes: Buffer, start: number, end: number, _limits: { maxMessageBytes: number; minInflatedBytes: number }): Buffer { return uncompressSync(bytes.subarray(start, end)) }
