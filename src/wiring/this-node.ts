/** Which node this process is: its name by the options, its installation, its machine and its boot. */
import { readFile } from 'node:fs/promises';
import { machineIdentity } from '../host/machine/machine-identity.js';
import type { ThisNode } from '../volume/node/node-holder-records.js';
import type { Dependencies } from './dependencies.js';

/** The installation may become known later, and shows in `self` then. */
export async function findThisNode({
  options,
  installation,
  log,
}: Pick<Dependencies, 'options' | 'installation' | 'log'>): Promise<ThisNode> {
  const machine = options.machineId ?? (await machineIdentity('/sys', options.stateDirectory).catch(told(log)));
  const self = {
    node: options.nodeId,
    machine,
    get installation(): string | undefined {
      return installation.id;
    },
  };
  return { self, bootId: await bootId() };
}

const told =
  (log: Dependencies['log']) =>
  (error: unknown): undefined => {
    log.warn({ err: error }, 'what tells this machine from another of its name is not known; it is known by its name');
  };

const bootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
