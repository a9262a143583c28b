// Unit tests need nothing; integration tests share one real Ceph cluster that they start; e2e needs a Kubernetes cluster
// that you bring.
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.js';

/** A poll that ends after this time means that it hung, not that the machine is slow, ms. */
const HUNG_MS = 60_000;

/** `.ci/run` reads there which files failed. */
const report = process.env['BERTH_TEST_REPORT'];

export default defineConfig({
  test: {
    reporters: report === undefined ? ['default'] : ['default', './tools/failed-files-reporter.js'],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 60_000,
          expect: { poll: { timeout: HUNG_MS } },
          // Half of the time of these small files would be spent on loading the same modules again.
          isolate: false,
          restoreMocks: true,
          unstubEnvs: true,
          unstubGlobals: true,
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/integration/cluster.setup.ts'],
          testTimeout: 120_000,
          expect: { poll: { timeout: HUNG_MS } },
          hookTimeout: 180_000,
          // Most of their time they wait, for Ceph or for children.
          maxWorkers: 5,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'image',
          include: ['test/image/**/*.test.ts'],
          globalSetup: ['test/integration/cluster.setup.ts', 'test/image/image.setup.ts'],
          testTimeout: 120_000,
          expect: { poll: { timeout: HUNG_MS } },
          hookTimeout: 180_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        // A database on volumes, in emulated guests too: minutes each, one at a time.
        test: {
          name: 'workload',
          include: ['test/workload/**/*.test.ts'],
          globalSetup: ['test/integration/cluster.setup.ts'],
          testTimeout: 120_000,
          expect: { poll: { timeout: HUNG_MS } },
          hookTimeout: 1_200_000,
          maxWorkers: 1,
          sequence: { groupOrder: 4 },
        },
      },
      {
        test: {
          name: 'page',
          include: ['test/page/**/*.test.ts'],
          testTimeout: 120_000,
          expect: { poll: { timeout: HUNG_MS } },
          hookTimeout: 180_000,
          restoreMocks: true,
          sequence: { groupOrder: 4 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
