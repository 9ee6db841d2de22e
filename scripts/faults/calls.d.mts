export interface Found {
  readonly twice: number
  readonly succeededWithoutRunning: number
  readonly ranAfterNo: number
  readonly idleAfterYes: number
  readonly wrong: number
  readonly unsettled: number
  readonly sumIsOff: number
}

export interface CallsResult {
  readonly pass: boolean
  readonly started: number
  readonly succeeded: number
  readonly failed: Readonly<Record<string, number>>
  readonly found: Found
}

export declare function calls(options: {
  readonly count: number
  readonly seed: number
  readonly concurrency?: number
}): Promise<CallsResult>
