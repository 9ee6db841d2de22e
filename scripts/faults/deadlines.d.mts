/** `judged`: whether being late fails it, which takes a machine with nothing else to do. */
export declare function deadlines(options: {
  readonly count: number
  readonly seed: number
  readonly judged?: boolean
}): Promise<{ readonly pass: boolean; readonly early: number; readonly untold: number }>
