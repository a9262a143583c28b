/** A process that does nothing but librbd's create through the same binding: what the driver is measured against. */
import { constants } from 'node:os';
import { loadCeph, type ImageOptions } from '../src/rbd/librbd/foreign/bindings.js';
import { prepareForeign } from '../src/rbd/librbd/foreign/c-functions.js';
import { connect } from '../src/rbd/librbd/worker/cluster-connection.js';
import { withCells } from '../src/rbd/librbd/foreign/c-memory.js';
import type { WireAccess } from '../src/rbd/librbd/worker-messages.js';
import { atPace, type Pace } from './pace.js';

export interface BareJob {
  readonly access: WireAccess;
  readonly pool: string;
  readonly namespace: string;
  readonly prefix: string;
  readonly count: number;
  readonly concurrency: number;
  readonly sizeBytes: number;
}

/** librbd.h: RBD_IMAGE_OPTION_FORMAT and _FEATURES; 61 is what the driver creates with. */
const FORMAT = 0;
const FEATURES = 1;
const DEFAULT_FEATURES = 61n;
/** Creates before the clock runs, as the driver had them. */
const WARM = 100;

async function work(job: BareJob): Promise<Pace> {
  prepareForeign(Number(process.env['UV_THREADPOOL_SIZE'] ?? 32));
  const ceph = loadCeph();
  const { rbd } = ceph;
  const link = await connect(ceph, job.access, {
    connectSeconds: 10,
    operationSeconds: 30,
    extraConf: {},
  });
  const io = await link.pool(job);
  const create = (name: string): Promise<void> =>
    withCells(1, async (cells) => {
      rbd.newOptions.now(cells.at(0));
      const options = cells.u64(0) as ImageOptions;
      rbd.setNumber.now(options, FORMAT, 2n);
      rbd.setNumber.now(options, FEATURES, DEFAULT_FEATURES);
      const result = await rbd.create.later(io, name, BigInt(job.sizeBytes), options);
      rbd.freeOptions.now(options);
      // librbd makes ids of 32 random bits for a client:
      // among ten thousand images one may be taken already (seen once).
      if (result === -constants.errno.EBADF) return create(name);
      if (result !== 0) throw new Error(`rbd_create4: ${result}`);
    });
  await atPace(WARM, job.concurrency, (index) => create(`${job.prefix}warm-${index}`));
  return atPace(job.count, job.concurrency, (index) => create(`${job.prefix}${index}`));
}

process.once('message', (job: BareJob) => {
  work(job).then(
    (pace) => process.send?.(pace, undefined, {}, () => process.exit(0)),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
