import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The conformance list alone has waits of a second and more, all of them at the same time; a compiler runs beside it, on as few as two cores.
    testTimeout: 90_000,
    maxConcurrency: 20,
  },
});
