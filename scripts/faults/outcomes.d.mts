import type { Found } from './calls.mjs'

export declare class Outcomes {
  constructor(count: number)
  start(): number
  succeed(id: number, right: boolean): void
  fail(id: number, error: unknown): void
  judge(ran: Uint8Array): Found
}

export declare function clean(found: Found): boolean
