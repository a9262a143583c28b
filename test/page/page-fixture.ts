/**
 * The page as a controller serves it, over real HTTP: beside the API's stand-in, with a volume that is whole from its
 * claim to its pod, and Ceph in memory.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { StorageObjects } from '../../src/kube/storage-objects.js';
import { createLog, type Logger } from '../../src/observe/log.js';
import { AttachmentReconciler } from '../../src/reconcile/attachment-reconciler.js';
import type { Loop, LoopParts } from '../../src/wiring/rounds/loop.js';
import { pageOf } from '../../src/wiring/page/page-loop.js';
import { KATA_HANDLERS } from '../../src/sandbox/choose-sandbox.js';
import { traceFixture, type TraceFixture } from '../kube/trace-fixture.js';
import { detachParts } from '../unit/volume/controller/use-case-parts.js';

export const TOKEN = 'a-token-that-nobody-guesses';

export interface PageFixture extends TraceFixture {
  directory: string;
  tokenFile: string;
  /** Starts it; `more` are options of the driver. Answers its origin. */
  serve(more?: Readonly<Record<string, unknown>>, log?: Logger): Promise<string>;
  /** One comparison of attachments. */
  compare(): Promise<void>;
  /** A GET with the token. */
  get(pathname: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  origin: string;
}

/** To be called at the top of a test file. */
export function pageFixture(): PageFixture {
  const at = traceFixture() as PageFixture;
  const running: Loop[] = [];
  let reconciler: AttachmentReconciler;
  beforeEach(async () => {
    at.directory = await mkdtemp(path.join(tmpdir(), 'berth-page-'));
    at.tokenFile = path.join(at.directory, 'token');
    await writeFile(at.tokenFile, `${TOKEN}\n`);
    reconciler = comparison(at);
    at.serve = async (more = {}, log = createLog('silent')) => {
      let port = 0;
      const listening = tellPort(log, (one) => (port = one));
      const loop = pageOf(loopParts(at, more, listening), () => reconciler.findings());
      if (loop === undefined) throw new Error('no page');
      running.push(loop);
      await loop.start();
      at.origin = `http://127.0.0.1:${port}`;
      return at.origin;
    };
    at.compare = async () => {
      at.attachments.start();
      await reconciler.round();
    };
    at.get = (pathname, headers = {}) =>
      fetch(at.origin + pathname, { headers: { authorization: `Bearer ${TOKEN}`, ...headers }, redirect: 'manual' });
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
    at.attachments.stop();
    await rm(at.directory, { recursive: true, force: true });
  });
  return at;
}

/** What the driver's log says of the port that it got. */
const tellPort = (log: Logger, tell: (port: number) => void): Logger =>
  Object.assign(Object.create(log) as Logger, {
    info: (fields: object, text: string) => {
      if ('port' in fields) tell(Number(fields.port));
      log.info(fields, text);
    },
  });

const loopParts = (at: PageFixture, more: Readonly<Record<string, unknown>>, log: Logger): LoopParts =>
  ({
    controller: detachParts(at.cluster),
    dependencies: {
      log,
      kube: { attachments: at.attachments, objects: new StorageObjects(at.api) },
      options: {
        ...{
          services: ['identity', 'controller'],
          stateDirectory: at.stateDirectory,
          nodeId: '',
          kataRecords: '/none',
          kataHandlers: KATA_HANDLERS,
        },
        ...{ pageAddress: '127.0.0.1:0', pageTokenFile: at.tokenFile, ...more },
      },
    },
  }) as unknown as LoopParts;

const comparison = ({ attachments: api, ceph, detach }: PageFixture): AttachmentReconciler => {
  const parts = { api, ceph, detach, announce: () => undefined, log: createLog('silent'), now: () => new Date() };
  return new AttachmentReconciler(parts, { everyMs: 1e9, ageMs: 60_000 });
};

/** Until the page says so: it is a moment behind the API. */
export async function untilShown(at: PageFixture, pathname: string, text: string): Promise<string> {
  let shown = '';
  const end = performance.now() + 60_000;
  while (!shown.includes(text)) {
    if (performance.now() > end) throw new Error(`${pathname} does not show ${text}:\n${shown}`);
    shown = await (await at.get(pathname)).text();
  }
  return shown;
}
