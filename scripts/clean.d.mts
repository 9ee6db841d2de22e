export function insideRepository(root: string, folder: string): string
