/** Metrics at an address from a start to a stop. */
import type { Counters } from '../../observe/metrics.js';
import { serveMetrics, type MetricsServer } from '../../observe/metrics-server.js';

/** `start` fails with BERTH_CONFIG_INVALID where nobody can listen there. */
export function serveWhileRunning(counters: Pick<Counters, 'text'>, address: string) {
  let server: MetricsServer | undefined;
  return {
    start: async (): Promise<void> => {
      server = await serveMetrics(counters, address);
    },
    stop: async (): Promise<void> => server?.stop(),
  };
}
