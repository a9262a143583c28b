/** Installing what is missing: only where it is allowed, never before it was said. */
import { describe, expect, it } from 'vitest';
import { ensurePackages, type Need } from '../../../src/dev/packages.js';
import type { Exec } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';

const LACKS: readonly Need[] = [
  { what: 'ceph-mon', comesWith: 'ceph-mon' },
  { what: 'ceph', comesWith: 'ceph-common' },
  { what: 'rbd', comesWith: 'ceph-common' },
];

function machine({ mayInstall, works = true }: { mayInstall: boolean; works?: boolean }) {
  const events: string[] = [];
  let lacks = LACKS;
  const exec: Exec = (file, args, { env }) => {
    events.push(`${env?.['DEBIAN_FRONTEND'] ?? ''} ${[file, ...args].join(' ')}`);
    if (works && args.includes('install')) lacks = [];
    return Promise.resolve({ stdout: '', stderr: '', exitCode: 0 });
  };
  const ensure = () =>
    ensurePackages(exec, (line) => events.push(`say ${line}`), Deadline.after(60_000), {
      missing: () => Promise.resolve(lacks),
      mayInstall: () => Promise.resolve(mayInstall),
    });
  return { events, ensure };
}

describe('ensurePackages', () => {
  it('says what it installs before it does, each package once and without recommended ones', async () => {
    const { events, ensure } = machine({ mayInstall: true });
    await ensure();
    expect(events[0]).toBe(
      'say this machine lacks ceph-mon, ceph, rbd; installing the packages ceph-mon ceph-common with apt-get',
    );
    expect(events[1]).toMatch(/^noninteractive apt-get .* update$/);
    expect(events[2]).toMatch(/^noninteractive apt-get .* install --no-install-recommends ceph-mon ceph-common$/);
    expect(events).toHaveLength(3);
  });

  it('names programs and packages and runs nothing where it may not install', async () => {
    const { events, ensure } = machine({ mayInstall: false });
    await expect(ensure()).rejects.toThrow(
      /BERTH_PACKAGES_MISSING: this machine lacks ceph-mon, ceph, rbd; install the packages ceph-mon ceph-common /,
    );
    expect(events).toEqual([]);
  });

  it('fails where something is still missing afterwards', async () => {
    await expect(machine({ mayInstall: true, works: false }).ensure()).rejects.toThrow('BERTH_PACKAGES_MISSING');
  });
});
