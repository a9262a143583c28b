/**
 * A program of its own: `mirror-memory URL DRIVER` mirrors what the API at URL has of a driver, as a controller does,
 * and prints as JSON how much it keeps. Run by a Node with `--expose-gc`, and with as little heap as it should need.
 */
import { watchTurns } from '../../bench/longest-turn.js';
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
  /** Resident, as it is then and at its highest, in bytes: what the program itself takes included. */
  readonly resident: number;
  readonly peak: number;
  /** The longest stretch for which the event loop had no turn, in ms of processor time. */
  readonly longestBlock: number;
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
const longestTurn = watchTurns();
attachments.start();
const fresh = await attachments.isFresh(Deadline.after(600_000));
const longestBlock = longestTurn();
const resident = process.memoryUsage.rss();
const peak = process.resourceUsage().maxRSS * 1024;
const sizes = { resident, peak, longestBlock };
const measured: MirrorMemory = { fresh, attachments: attachments.all().length, before, after: used(), ...sizes };
process.stdout.write(JSON.stringify(measured));
process.exit(0);
