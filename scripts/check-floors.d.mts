export interface SourceFile {
  /** From the root of the repository, with slashes: `src/base/clock.ts`. */
  readonly path: string
  readonly text: string
}

export interface Finding {
  readonly rule: string
  readonly path: string
  readonly line: number
  readonly message: string
  readonly level: 'error' | 'warning'
}

export interface FloorRow {
  readonly folder: string
  readonly mayImport: readonly string[] | 'all'
  readonly npm: readonly string[]
}

export interface FloorTable {
  readonly floors: readonly FloorRow[]
  readonly entryPoints: { readonly mayNotImport: readonly string[] }
  readonly rooms: Readonly<Record<'time' | 'chance' | 'network' | 'http', readonly string[]>>
  readonly forbiddenNames: readonly string[]
  readonly lines: { readonly explainPast: number; readonly never: number; readonly explanationWithin: number }
}

export const TABLE: FloorTable
export function checkFloors(files: readonly SourceFile[], table?: FloorTable): Finding[]
export function checkTable(table?: FloorTable): string[]
export function readSources(root: string): SourceFile[]
