export interface Plant {
  readonly name: string
  readonly file: string
  readonly text: string
}

export declare const PLANTS: readonly Plant[]
export declare function timesFound(plant: Plant, folder: string): number
