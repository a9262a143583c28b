/**
 * What a node call has to have beside its commands, each by itself: the call, a line of the journal, a write to the
 * image's record. What is left of a call beyond these and the commands is Berth's own.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ask, type CsiClient } from '../src/dev/driver/csi-client.js';
import { Journal } from '../src/journal/journal.js';
import { Deadline } from '../src/model/deadline.js';
import { createLog } from '../src/observe/log.js';
import { createLibrbd } from '../src/rbd/librbd/driver/librbd.js';
import type { ImageRef } from '../src/rbd/port.js';
import { figure, median, ms, print } from './figures.js';
import { stagedEntry } from './staged-entry.js';
import type { BenchCluster } from './bench-cluster.js';

const ROUNDS = 50;
const PATIENCE_MS = 60_000;
const KEY = 'bench.least-cost';

const ENTRY = stagedEntry({
  volume: 'dev/hyper/node/least-cost',
  fsid: '5a4e3d2c-0000-4000-8000-000000000001',
  stagingPath: '/var/lib/kubelet/plugins/kubernetes.io/csi/rbd.csi.berth.dev/least-cost/globalmount',
  mapper: 'loop',
  targets: {},
});

async function eachMs(work: (round: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = -1; round < ROUNDS; round += 1) {
    const begun = performance.now();
    await work(round);
    // The first pays for connections and compiled code.
    if (round >= 0) times.push(performance.now() - begun);
  }
  return median(times);
}

/** @param image whose record is written; it gets one entry of metadata */
export async function leastCost({ directory }: BenchCluster, client: CsiClient, image: ImageRef): Promise<void> {
  const place = join(directory, 'state', 'least-cost');
  await mkdir(place, { recursive: true });
  const journal = new Journal(place);
  const rbd = createLibrbd({ log: createLog('silent') });
  const soon = (): Deadline => Deadline.after(PATIENCE_MS);
  try {
    const id = (await rbd.head(image, soon()))?.id ?? '';
    const valueOf = (round: number): string | undefined => (round < 0 ? undefined : `round ${round}`);
    print(`\nWhat a call has to have beside its commands (medians of ${ROUNDS})`);
    figure(
      'an empty call (Probe), client included',
      ms(await eachMs(() => ask((done) => client.identity.Probe({}, { deadline: Date.now() + PATIENCE_MS }, done)))),
    );
    figure('a line of the journal as of a stage', ms(await eachMs(() => journal.write(ENTRY))));
    figure('a line as of a publish and an unpublish', ms(await eachMs(() => journal.note(ENTRY))));
    figure('to read it', ms(await eachMs(() => journal.read(ENTRY.volume))));
    figure(
      'a write to the record in Ceph (two a stage, one an unstage)',
      ms(await eachMs((round) => rbd.compareAndSet(image, id, KEY, valueOf(round - 1), valueOf(round), soon()))),
    );
  } finally {
    await rbd.close();
  }
}
