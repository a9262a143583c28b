/** What a test file finds of its surroundings: the session of this boot, the cluster as Berth's users see it. */
import { readFileSync } from 'node:fs';
import { Secret } from '../../../src/model/secret.js';
import type { ClusterAccess } from '../../../src/rbd/port.js';
import { SESSION_VARIABLE, type Session } from '../wire.js';

const file = process.env[SESSION_VARIABLE];
if (file === undefined) throw new Error(`started by npm run test:vm, which sets ${SESSION_VARIABLE}`);

export const session = JSON.parse(readFileSync(file, 'utf8')) as Session;

export function accessAs(role: 'controller' | 'node'): ClusterAccess {
  const { id, key } = session.users[role];
  return { cluster: 'dev', monitors: session.monitors, user: id, key: new Secret(key) };
}
