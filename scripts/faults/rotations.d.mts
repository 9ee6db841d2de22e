export declare function rotations(options: { readonly count: number }): Promise<{
  readonly pass: boolean
  readonly answered: number
  readonly failures: Readonly<Record<string, number>>
  readonly unseen: number
}>
