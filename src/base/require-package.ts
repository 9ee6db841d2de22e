import { createRequire } from 'node:module'

/**
 * Loads a package in CommonJS. To import one takes the parser that Node has for its exports, a WebAssembly instance: 7 MB
 * of memory in every process (decision 15). A bundler that makes CommonJS of the library leaves nothing of
 * `import.meta.url`; there is a file name then.
 */
export const requirePackage: (name: string) => unknown = createRequire(
  (import.meta.url as string | undefined) ?? __filename,
)
