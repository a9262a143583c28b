/**
 * One image in the storage daemon: its key, its block node and its FUSE file; added as a whole, dropped whatever is
 * left of it.
 */
import type { Deadline } from '../../model/deadline.js';
import { settleAll } from '../../model/settle-all.js';
import { locationId, requestedLocation } from '../../rbd/mapping/location-name.js';
import type { ImageLocation, MapRequest } from '../../rbd/mapping/mapper.js';
import { saysAbsent, saysNoObjects } from './qemu-messages.js';
import { isRecord, QmpError, type QmpSession } from './qmp.js';

/** Of everything that is ours in the daemon, one letter for its kind. */
const NODE = 'n';
const SECRET = 's';
const PROBE = 'p';
const OURS = new RegExp(`^[${NODE}${SECRET}][0-9a-f]{24}$`);

export interface ExportPlan {
  readonly request: MapRequest;
  /** The existing regular file that becomes the image. */
  readonly file: string;
  /** ceph.conf with the monitors. */
  readonly conf: string;
}

/** Is the image served by this daemon now? */
export async function isExported(session: QmpSession, location: ImageLocation, deadline: Deadline): Promise<boolean> {
  return (await exportIds(session, deadline)).includes(NODE + locationId(location));
}

/** Key, node, export. QmpError or DEADLINE; what a failure leaves is dropped by {@link dropExport}. */
export async function addExport(session: QmpSession, plan: ExportPlan, deadline: Deadline): Promise<void> {
  const { request, file, conf } = plan;
  const id = locationId(requestedLocation(request));
  const secret = SECRET + id;
  await deleteIfThere(session, 'object-del', { id: secret }, deadline);
  const data = request.image.access.key.reveal();
  // 'base64' is how cephx keys are written; QEMU hands it to librados encoded the same way.
  await session.execute('object-add', { 'qom-type': 'secret', id: secret, format: 'base64', data }, deadline);
  const node = { ...nodeOptions(request, conf, secret), 'node-name': NODE + id, 'read-only': request.readOnly };
  await session.execute('blockdev-add', node, deadline);
  const served = { type: 'fuse', id: NODE + id, 'node-name': NODE + id, mountpoint: file };
  await session.execute('block-export-add', { ...served, writable: !request.readOnly, growable: false }, deadline);
}

/** Take it out of the daemon, however far {@link addExport} came. */
export async function dropExport(session: QmpSession, location: ImageLocation, deadline: Deadline): Promise<void> {
  await dropId(session, locationId(location), deadline);
}

/**
 * Drop everything of ours that belongs to none of these locations: what an earlier attempt left when its time was over.
 */
export async function dropOthers(
  session: QmpSession,
  live: readonly ImageLocation[],
  deadline: Deadline,
): Promise<void> {
  const keep = new Set(live.map(locationId));
  // A key comes before its node and goes after it. To list the nodes reads the first bytes of each image from Ceph.
  const all = await settleAll(objectNames(session, deadline), exportIds(session, deadline));
  const found = all.flat().filter((name) => OURS.test(name));
  for (const id of new Set(found.map((name) => name.slice(1)))) {
    if (!keep.has(id)) await dropId(session, id, deadline);
  }
}

/**
 * Take the image's size over from the cluster into the served file;
 * returns it, bytes. QmpError where it is served read-only.
 */
export async function refreshSize(session: QmpSession, location: ImageLocation, deadline: Deadline): Promise<bigint> {
  const id = locationId(location);
  const nodes = records(await session.execute('query-named-block-nodes', { flat: true }, deadline));
  const node = nodes.find((one) => one['node-name'] === NODE + id);
  const options = node === undefined ? undefined : reopenOptions(node);
  if (options === undefined) throw new QmpError('the daemon has no such image');
  // A node knows only the size that it was opened with, and block_resize to a guess could shrink the image: a second,
  // read-only node says what it really is.
  await deleteIfThere(session, 'blockdev-del', { 'node-name': PROBE + id }, deadline);
  const probe = { ...options, 'key-secret': SECRET + id, 'node-name': PROBE + id, 'read-only': true };
  await session.execute('blockdev-add', probe, deadline);
  const size = virtualSize(
    records(await session.execute('query-named-block-nodes', { flat: true }, deadline)),
    PROBE + id,
  );
  await deleteIfThere(session, 'blockdev-del', { 'node-name': PROBE + id }, deadline);
  if (virtualSize(nodes, NODE + id) !== size) {
    await session.execute('block_resize', { 'node-name': NODE + id, size: Number(size) }, deadline);
  }
  return size;
}

/** Discards reach the cluster; nothing is acknowledged before the OSD has it. */
const nodeOptions = ({ image }: MapRequest, conf: string, secret: string) => ({
  driver: 'rbd',
  pool: image.pool,
  ...(image.namespace === '' ? {} : { namespace: image.namespace }),
  image: image.image,
  conf,
  user: image.access.user,
  'key-secret': secret,
  cache: { direct: true, 'no-flush': false },
  discard: 'unmap',
});

/** What a node was opened with, from the pseudo file name that QEMU gives it. */
function reopenOptions(node: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const name = node['file'];
  if (typeof name !== 'string' || !name.startsWith('json:')) return undefined;
  const options: unknown = JSON.parse(name.slice('json:'.length));
  return isRecord(options) ? options : undefined;
}

function virtualSize(nodes: readonly Readonly<Record<string, unknown>>[], name: string): bigint {
  const image = nodes.find((node) => node['node-name'] === name)?.['image'];
  const size = isRecord(image) ? image['virtual-size'] : undefined;
  if (typeof size !== 'number') throw new QmpError(`the daemon does not tell the size of ${name}`);
  return BigInt(size);
}

async function dropId(session: QmpSession, id: string, deadline: Deadline): Promise<void> {
  if (await deleteIfThere(session, 'block-export-del', { id: NODE + id, mode: 'hard' }, deadline)) {
    // The node stays "in use" until then.
    await session.event('BLOCK_EXPORT_DELETED', (data) => data['id'] === NODE + id, deadline);
  }
  for (const kind of [PROBE, NODE]) await deleteIfThere(session, 'blockdev-del', { 'node-name': kind + id }, deadline);
  await deleteIfThere(session, 'object-del', { id: SECRET + id }, deadline);
}

async function exportIds(session: QmpSession, deadline: Deadline): Promise<readonly string[]> {
  const exports = records(await session.execute('query-block-exports', {}, deadline));
  return exports.map((one) => one['id']).filter((id) => typeof id === 'string');
}

/** Keys among them. */
async function objectNames(session: QmpSession, deadline: Deadline): Promise<readonly string[]> {
  try {
    const objects = records(await session.execute('qom-list', { path: '/objects' }, deadline));
    return objects.map(({ name }) => name).filter((name) => typeof name === 'string');
  } catch (error) {
    if (error instanceof QmpError && saysNoObjects(error.message)) return [];
    throw error;
  }
}

/** True where it was there. */
async function deleteIfThere(
  session: QmpSession,
  command: string,
  args: Readonly<Record<string, unknown>>,
  deadline: Deadline,
): Promise<boolean> {
  try {
    await session.execute(command, args, deadline);
    return true;
  } catch (error) {
    if (error instanceof QmpError && saysAbsent(error.message)) return false;
    throw error;
  }
}

const records = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.filter(isRecord) : [];
