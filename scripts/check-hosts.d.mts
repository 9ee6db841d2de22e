export function registryHosts(configured?: string): string[]
export function findHosts(files: readonly { readonly path: string; readonly text: string }[], hosts?: readonly string[]): string[]
