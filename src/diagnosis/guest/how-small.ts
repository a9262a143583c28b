/**
 * What little memory does to a virtual machine, said before anything is killed for it: for `berth trace` and `berth
 * doctor`. The figures were measured with MariaDB (docs/database.md, "How small").
 */
import type { ApiPod } from '../../kube/storage-objects.js';

const MIB = 1024n * 1024n;
/** With less a guest did not come up: with 96 MiB its kernel panics, with 64 MiB it ends while it boots. */
const STARTS_BYTES = 128n * MIB;
/** With less a database was killed, with 128 MiB, or was not tried; with so much it lives. */
const LIVES_BYTES = 256n * MIB;

/** `may not start`: no guest of so little was seen to come up. `no database`: it comes up, and is too small for one. */
export type Smallness = 'may not start' | 'no database';

/**
 * Undefined where its memory is enough, or not known: a container without a limit, or a RuntimeClass that does not say
 * what its machine takes. Whether it is a virtual machine at all is the caller's to know.
 */
export function smallnessOf({ memoryBytes, hasOverhead }: ApiPod): Smallness | undefined {
  if (memoryBytes === undefined || !hasOverhead || memoryBytes >= LIVES_BYTES) return undefined;
  return memoryBytes < STARTS_BYTES ? 'may not start' : 'no database';
}

const MEASURED: Readonly<Record<Smallness, string>> = {
  'may not start': 'a guest of 64 or 96 MiB did not come up when it was measured',
  'no database': 'a guest of 128 MiB came up when it was measured, and its database was killed',
};

/** What is too small, what was measured, what to do. */
export function saysSmall({ name, memoryBytes = 0n, runtimeClass = '' }: ApiPod, smallness: Smallness): string {
  const has = `pod ${name} has ${memoryBytes / MIB} MiB, limits and overhead, for its machine of RuntimeClass`;
  const todo = 'a database needs 256 MiB: raise its limit, or see "How small" in docs/database.md';
  return `${has} ${runtimeClass}; ${MEASURED[smallness]}; ${todo}`;
}
