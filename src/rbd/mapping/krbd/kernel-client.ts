/** What the kernel's Ceph client says of its requests in debugfs, where that is mounted; the cluster is not asked. */
import path from 'node:path';
import { readAttribute, readWaitingAttribute } from '../../../host/device/kernel-attribute.js';
import { readKrbdDevices } from './krbd-sysfs.js';

export interface OsdRequests {
  readonly outstanding: number;
  /** With no OSD to go to: their placement group has none that is up. */
  readonly homeless: number;
  /** `osd3`, as the client knows them. */
  readonly osds: readonly string[];
}

/** net/ceph/debugfs.c, osdc_show: `REQUESTS 2 homeless 0`, then a line for each: tid, osd, ... */
export function parseOsdc(text: string): OsdRequests | undefined {
  const [, outstanding, homeless] = /^REQUESTS (\d+) homeless (\d+)/m.exec(text) ?? [];
  if (outstanding === undefined || homeless === undefined) return undefined;
  const requests = text.slice(0, text.search(/^LINGER REQUESTS/m) + 1 || undefined);
  const osds = [...requests.matchAll(/^\d+\s+(osd\d+)\s/gm)].map(([, osd = '']) => osd);
  return { outstanding: Number(outstanding), homeless: Number(homeless), osds: [...new Set(osds)] };
}

/**
 * What `/dev/rbdN`'s client waits for; undefined where it waits for nothing, or nobody may read that. The client serves
 * all images of its cluster.
 */
export async function whatClientWaitsFor(device: string, sysRoot = '/sys'): Promise<string | undefined> {
  const id = path.basename(device).replace(/^rbd/, '');
  const found = readKrbdDevices(sysRoot).find((one) => one.id === id);
  const client = readAttribute(path.join(sysRoot, 'bus/rbd/devices', id, 'client_id'));
  if (found === undefined || client === undefined) return undefined;
  const directory = path.join(sysRoot, 'kernel/debug/ceph', `${found.location.fsid}.${client}`);
  // The client holds a lock while it changes its requests.
  const text = await readWaitingAttribute(path.join(directory, 'osdc')).catch(() => undefined);
  const requests = parseOsdc(text ?? '');
  if (requests === undefined || requests.outstanding === 0) return undefined;
  const { outstanding, homeless, osds } = requests;
  const waits =
    osds.length > 0 ? `${outstanding} requests wait for ${osds.join(', ')}` : `${outstanding} requests wait`;
  return homeless > 0 ? `${waits}, ${homeless} of them have no OSD to go to` : waits;
}
