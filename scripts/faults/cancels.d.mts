export declare function cancels(options: { readonly count: number }): Promise<{
  readonly pass: boolean
  readonly handlersRan: number
  readonly untold: number
}>
