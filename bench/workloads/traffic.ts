import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
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

/** A transaction as it travels, and the block it is from. */
export interface Transaction {
  readonly bytes: Buffer
  readonly height: number
}

/** Percentiles of transaction sizes on Ethereum mainnet: 1,589 transactions of six blocks, February 2026. */
const SIZES: readonly (readonly [share: number, bytes: number])[] = [
  [0, 101],
  [0.01, 106],
  [0.1, 108],
  [0.25, 116],
  [0.5, 177],
  [0.75, 183],
  [0.8, 275],
  [0.85, 375],
  [0.9, 883],
  [0.925, 1277],
  [0.95, 1815],
  [0.975, 2709],
  [0.99, 5388],
  [0.995, 13534],
  [0.999, 16694],
  [1, 37751],
]
const SEED = 24_476_000
const TRANSACTIONS = 1_589
const BLOCKS = 6
const FIRST_HEIGHT = 24_476_000
const SECONDS_PER_BLOCK = 12
const GENESIS_TIME = 1_770_000_000

export function generatedTransactions(): Transaction[] {
  const random = seeded(SEED)
  const perBlock = Math.ceil(TRANSACTIONS / BLOCKS)
  return Array.from({ length: TRANSACTIONS }, (_, index) => {
    return { bytes: halfCompressible(sizeAt(random()), random), height: FIRST_HEIGHT + Math.floor(index / perBlock) }
  })
}

/** The transactions of blocks as canonical RLP (header, transactions, uncles, withdrawals), one block a file. */
export async function realTransactions(folder: string): Promise<Transaction[]> {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.rlp'))
    .sort()
  if (files.length === 0) throw new Error(`there are no .rlp files in ${folder}`)
  const transactions: Transaction[] = []
  for (const [index, name] of files.entries()) {
    for (const bytes of await transactionsOf(readFileSync(join(folder, name)))) {
      transactions.push({ bytes: Buffer.from(bytes), height: FIRST_HEIGHT + index })
    }
  }
  return transactions
}

async function transactionsOf(block: Uint8Array): Promise<Uint8Array[]> {
  // Loaded only for real data: memory is among the figures.
  const { RLP } = await import('@ethereumjs/rlp')
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
export function recordOf({ bytes, height }: Transaction): TransactionRecord {
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
