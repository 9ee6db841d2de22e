export declare function soak(options: { readonly seconds: number; readonly seed: number }): Promise<{
  readonly pass: boolean
  readonly left: {
    readonly connections: number
    readonly buffers: number
    readonly handles: readonly string[]
  }
}>
