import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globals: false,
    // Child processes, so that a test can be run with flags of its own and cannot leave handles to another file.
    pool: 'forks',
    execArgv: ['--expose-gc', '--unhandled-rejections=strict'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 5_000,
    restoreMocks: true,
    unstubEnvs: true,
  },
})
