import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The conformance list alone has waits of a second and more, all of them at the same time.
    testTimeout: 20_000,
    maxConcurrency: 20,
  },
});
