export type StatusTable = Readonly<Record<string, { readonly number: number; readonly meaning: string }>>
export type ReasonTable = Readonly<Record<string, readonly [code: string, origin: string, meaning: string]>>
export type LimitTable = Readonly<
  Record<
    string,
    {
      readonly default: number
      readonly min: number
      readonly max: number
      readonly unit: string
      readonly reason: string | null
      readonly metric?: string
      readonly meaning: string
    }
  >
>

export function errorsPage(status: StatusTable, reasons: ReasonTable): string
export function limitsPage(limits: LimitTable): string
export function pages(root: string): Promise<Record<string, string>>
