/** Images for tests of mappers: made and removed by the admin on the host, asked for as Berth's node user. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MapRequest } from '../../../src/rbd/mapping/mapper.js';
import { host } from './host.js';
import { accessAs, session } from './session.js';

export const MiB = 2 ** 20;
/** What Berth gives to its images. */
const FEATURES = ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'];

export interface NewImage {
  readonly sizeMiB?: number;
  readonly features?: readonly string[];
  readonly namespace?: string;
}

/** Twice what it takes Ceph to forget a client that says nothing, ms. */
const WATCH_MS = 60_000;

const specs: string[] = [];

/** A new image as a mapper is asked for it. */
export async function newImage({
  sizeMiB = 64,
  features = FEATURES,
  namespace = '',
}: NewImage = {}): Promise<MapRequest> {
  const { pool, fsid } = session;
  const image = `vm-${randomBytes(4).toString('hex')}`;
  const spec = [pool, namespace, image].filter((part) => part !== '').join('/');
  await host.rbd('create', spec, '--size', `${sizeMiB}M`, '--image-feature', features.join(','));
  specs.push(spec);
  return {
    image: { access: accessAs('node'), pool, namespace, image },
    fsid,
    readOnly: false,
    features,
    options: '',
    ioTimeoutSeconds: 0,
  };
}

export const specOf = ({ image: { pool, namespace, image } }: MapRequest): string =>
  [pool, namespace, image].filter((part) => part !== '').join('/');

/** All that this file made. */
export async function removeImages(): Promise<void> {
  for (const spec of specs.splice(0)) await remove(spec);
}

/** Ceph keeps the watch of a client that was killed for 30 s, and an image as long. */
async function remove(spec: string): Promise<void> {
  const until = performance.now() + WATCH_MS;
  for (;;) {
    try {
      await host.rbd('rm', '--no-progress', spec);
      return;
    } catch (error) {
      if (!String(error).includes('still has watchers') || performance.now() > until) throw error;
    }
    await sleep(2_000);
  }
}
