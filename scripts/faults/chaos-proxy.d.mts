export interface Faults {
  /** Up to so long before each piece. */
  readonly latencyMs?: number
  /** Chances, from 0 to 1: of each piece to be cut small, of each chunk to be stalled up to 220 ms. */
  readonly slice?: number
  readonly stall?: number
  /** Of each connection to be reset, or half closed, after up to twice `limitBytes`. */
  readonly reset?: number
  readonly halfClose?: number
  readonly limitBytes?: number
}

export interface ChaosOptions {
  readonly targetPort: number
  readonly seed: number
  readonly faults?: Faults
  /** So many connections pass unharmed first. */
  readonly connectionsWithout?: number
}

export interface ChaosProxy {
  readonly port: number
  readonly counts: Readonly<
    Record<'connections' | 'resets' | 'halfCloses' | 'stalls' | 'slices' | 'bytes', number>
  >
  resetAll(): void
  close(): Promise<void>
}

export declare const MILD: Faults

export declare function startChaosProxy(options: ChaosOptions): Promise<ChaosProxy>
