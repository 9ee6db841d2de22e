import type { Counters } from '../base/counters.js'
export class CompressionPolicy {
  constructor(readonly_options: { thresholdBytes: number; mode: string }, counters: Counters) { void readonly_options; void counters }
  shouldTry(_bytes: number): boolean { return true }
  tried(raw: number, compressed: number): boolean { return compressed < raw * 0.9 }
  handedOver(_bytes: number, _now: number): void {}
  stalled(_now: number): void {}
  drained(_bytes: number, _ms: number): void {}
}
