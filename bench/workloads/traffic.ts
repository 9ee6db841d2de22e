import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RLP } from '@ethereumjs/rlp'
import { halfCompressible, seeded } from './random.js'

/** The seven fields of a compact transaction. */
export interface TransactionRecord {
  readonly hash: Uint8Array
  readonly height: number
  readonly time: number
  /** Below 2^53, so that every codec carries it as a number. */
  readonly value: number
  readonly fee: number
  readonly inputs: number
  readonly outputs: number
}

/** Transactions and blocks to replay. */
export interface Traffic {
  readonly data: 'real' | 'generated'
  readonly transactions: readonly Uint8Array[]
  readonly records: readonly TransactionRecord[]
  readonly blocks: readonly Uint8Array[]
}

/** Percentiles of transaction sizes on Ethereum mainnet: 1,589 transactions of six blocks, February 2026. */
const SIZES: readonly (readonly [share: number, bytes: number])[] = [
  [0, 101], [0.01, 106], [0.1, 108], [0.25, 116], [0.5, 177], [0.75, 183], [0.8, 275], [0.85, 375], [0.9, 883],
  [0.925, 1277], [0.95, 1815], [0.975, 2709], [0.99, 5388], [0.995, 13534], [0.999, 16694], [1, 37751],
]
const SEED = 24_476_000
const TRANSACTIONS = 1_589
const BLOCKS = 6
const FIRST_HEIGHT = 24_476_000
const SECONDS_PER_BLOCK = 12
const GENESIS_TIME = 1_770_000_000

export function generatedTraffic(): Traffic {
  const random = seeded(SEED)
  const transactions = Array.from({ length: TRANSACTIONS }, () => halfCompressible(sizeAt(random()), random))
  const perBlock = Math.ceil(transactions.length / BLOCKS)
  const blocks = Array.from({ length: BLOCKS }, (_, index) => {
    return Buffer.concat(transactions.slice(index * perBlock, (index + 1) * perBlock))
  })
  return {
    data: 'generated',
    transactions,
    blocks,
    records: transactions.map((bytes, index) => recordOf(bytes, FIRST_HEIGHT + Math.floor(index / perBlock))),
  }
}

/** Blocks as canonical RLP (header, transactions, uncles, withdrawals), one a file, from a folder. */
export function realTraffic(folder: string): Traffic {
  const files = readdirSync(folder).filter((name) => name.endsWith('.rlp')).sort()
  if (files.length === 0) throw new Error(`there are no .rlp files in ${folder}`)
  const blocks = files.map((name) => readFileSync(join(folder, name)))
  const transactions: Uint8Array[] = []
  const records: TransactionRecord[] = []
  blocks.forEach((block, index) => {
    for (const bytes of transactionsOf(block)) {
      transactions.push(bytes)
      records.push(recordOf(bytes, FIRST_HEIGHT + index))
    }
  })
  return { data: 'real', transactions, records, blocks }
}

function transactionsOf(block: Uint8Array): Uint8Array[] {
  const [, transactions] = RLP.decode(block) as [unknown, (Uint8Array | Uint8Array[])[]]
  // A typed transaction is a string that holds its bytes; a legacy one is a list, whose encoding is its bytes.
  return transactions.map((item) => (item instanceof Uint8Array ? item : RLP.encode(item)))
}

/** The size at this share of transactions, by straight lines between the percentiles. */
function sizeAt(share: number): number {
  const upper = SIZES.findIndex(([at]) => at >= share)
  const [highShare, highBytes] = SIZES[Math.max(upper, 1)] ?? [1, 37_751]
  const [lowShare, lowBytes] = SIZES[Math.max(upper, 1) - 1] ?? [0, 101]
  return Math.round(lowBytes + ((share - lowShare) / (highShare - lowShare)) * (highBytes - lowBytes))
}

/** SHA-256 stands in for Keccak, which Node does not have; amounts are taken from it, so that they vary like real ones. */
function recordOf(bytes: Uint8Array, height: number): TransactionRecord {
  const hash = createHash('sha256').update(bytes).digest()
  return {
    hash,
    height,
    time: GENESIS_TIME + (height - FIRST_HEIGHT) * SECONDS_PER_BLOCK,
    value: hash.readUIntLE(0, 6),
    fee: hash.readUInt32LE(8),
    inputs: 1 + ((hash[12] ?? 0) & 3),
    outputs: 1 + ((hash[13] ?? 0) & 3),
  }
}
