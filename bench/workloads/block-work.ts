import { createHash } from 'node:crypto'
import { pack, unpack } from 'msgpackr'
import { recordOf, type Transaction, type TransactionRecord } from './traffic.js'

/** What a node does with a block that came over the wire: decode, check every transaction's hash, encode to store. */
export function checkBlock(encoded: Uint8Array): Uint8Array {
  const { records, bodies } = unpack(encoded) as Block
  const root = createHash('sha256')
  for (const [index, record] of records.entries()) {
    const body = bodies[index] ?? new Uint8Array()
    // Twice, as most chains do, over the body and over the record as it is stored.
    const once = createHash('sha256').update(body).update(pack(record)).digest()
    root.update(createHash('sha256').update(once).digest())
  }
  return root.update(pack({ records, bodies })).digest()
}

interface Block {
  readonly records: readonly TransactionRecord[]
  readonly bodies: readonly Uint8Array[]
}

/** Blocks of `size` transactions, encoded as they would arrive; each begins at another transaction. */
export function encodedBlocks(transactions: readonly Transaction[], count: number, size: number): Uint8Array[] {
  return Array.from({ length: count }, (_, block) => {
    const own = Array.from({ length: size }, (_, index) => {
      return transactions[(block * size + index) % transactions.length] as Transaction
    })
    const content: Block = { records: own.map(recordOf), bodies: own.map(({ bytes }) => bytes) }
    return Uint8Array.from(pack(content))
  })
}
