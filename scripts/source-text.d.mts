export interface ImportedModule {
  /** Null when it is computed. */
  readonly specifier: string | null
  readonly line: number
  readonly typeOnly: boolean
  readonly reexports: boolean
  readonly all?: boolean
  readonly names: readonly { readonly name: string; readonly typeOnly: boolean }[]
}

export function blank(text: string): string
export function lineAt(text: string, offset: number): number
export function importsOf(text: string, code?: string): ImportedModule[]
export function exportedNames(code: string): { name: string; typeOnly: boolean }[]
