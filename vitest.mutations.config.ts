import { defineConfig } from 'vitest/config';

/** `npm run mutations`: plants deliberate mistakes one by one; each run starts a test runner of its own. */
export default defineConfig({
  test: {
    include: ['test/mutations/*.check.ts'],
    // Some run a whole file of tests, which takes a minute on a busy machine.
    testTimeout: 600_000,
    // The default leaves one core idle; on a machine of two that runs one file after the other.
    maxWorkers: '100%',
  },
});
