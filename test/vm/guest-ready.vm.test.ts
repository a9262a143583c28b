/**
 * What the other files of this directory rely on: what the guest is given, what it may ask of the host, and that its
 * disk outlives it.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { host } from './inside/host.js';
import { session } from './inside/session.js';

const note = path.join(session.state, 'note');

describe('the guest', () => {
  if (session.boot === 1) {
    it('is a kernel with the rbd client', async () => {
      assert.match(await readFile('/sys/bus/rbd/supported_features', 'utf8'), /^0x[0-9a-f]+/, release());
    });
    it('has a cluster whose admin is on the host', async () => {
      const status = JSON.parse(await host.ceph('status', '--format', 'json')) as { fsid: string };
      assert.equal(status.fsid, session.fsid);
      await assert.rejects(host.rbd('info', `${session.pool}/no-such-image`), /No such file/);
    });
  }
  if (session.boot === 1) {
    it('can have its OSD frozen and thawed', async () => {
      await host.freeze('osd');
      // The program's own patience, s; without it it would wait for the thaw.
      await assert.rejects(host.rbd('ls', session.pool, '--rados_osd_op_timeout', '3'), /exit code 110/);
      await host.thaw('osd');
      await host.rbd('ls', session.pool);
    });
  }
  if (session.guest && session.boot === 1) {
    it('comes up again after a power cut', async () => {
      await writeFile(note, 'from the first boot', { flush: true });
      await host.reboot();
    });
  }
  if (session.boot === 2) {
    it('has after a power cut what was synced before', async () => {
      assert.equal(await readFile(note, 'utf8'), 'from the first boot');
    });
  }
});
