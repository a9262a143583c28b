/**
 * `npm run dev -- --dir D`: a real Ceph cluster and the driver with all services on D/csi.sock, until SIGTERM; `--down`
 * removes all.
 */
import { parseArgs } from 'node:util';
import { messageOf, say } from './say.js';
import { serve } from './serve.js';
import { takeDown } from './take-down.js';

const USAGE = 'usage: npm run dev -- --dir DIRECTORY [--node-id NAME] [--down]';

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string' },
      'node-id': { type: 'string', default: 'dev-node' },
      down: { type: 'boolean', default: false },
    },
  });
  if (values.dir === undefined || values.dir === '') {
    say(USAGE);
    return 2;
  }
  if (values.down) {
    await takeDown(values.dir);
    return 0;
  }
  return serve({ directory: values.dir, nodeId: values['node-id'] });
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error instanceof TypeError && 'code' in error;
  say(isUsage ? `${error.message}\n${USAGE}` : messageOf(error));
  process.exitCode = isUsage ? 2 : 1;
}
