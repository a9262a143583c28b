/**
 * A program of its own: `mirror-memory URL DRIVER` mirrors what the API at URL has of a driver, as a controller does,
 * and prints as JSON how much it keeps. Run by a Node with `--expose-gc`, and with as little heap as it should need.
 */
import { KubeApi } from '../../src/kube/api.js';
import { HttpWire } from '../../src/kube/http.js';
import { Attachments } from '../../src/kube/volume-attachments.js';
import { Deadline } from '../../src/model/deadline.js';
import { createLog } from '../../src/observe/log.js';

export interface MirrorMemory {
  readonly fresh: boolean;
  readonly attachments: number;
  /** Used heap after a garbage collection, before the lists and after them, in bytes. */
  readonly before: number;
  readonly after: number;
}

const used = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};

const [, , url = '', driver = ''] = process.argv;
const identity = { ca: undefined, cert: undefined, key: undefined, token: undefined };
const access = { server: new URL(url), serverName: undefined, identity: () => Promise.resolve(identity) };
const attachments = new Attachments(new KubeApi(new HttpWire(access)), driver, createLog('silent'));
const before = used();
attachments.start();
const fresh = await attachments.isFresh(Deadline.after(600_000));
const measured: MirrorMemory = { fresh, attachments: attachments.all().length, before, after: used() };
process.stdout.write(JSON.stringify(measured));
process.exit(0);
