/** What a load cost, from the kernel's counters before and after it. */
import { expect, it } from 'vitest';
import { spentOf } from '../../../bench/process-size.js';
import { effortOf, processorsOf, programOf, trafficOf, type Counters } from '../../../bench/vm/effort.js';

const STAT = `cpu  100 20 30 800 40 5 5 0 7 0
cpu0 50 10 15 400 20 2 3 0 3 0
intr 12345`;

it('/proc/stat: idle and waiting for a disk are not busy, and guests are within user time', () => {
  expect(processorsOf(STAT)).toEqual({ busy: 160, all: 1_000 });
});

it('/sys/block/NAME/stat: what was read and written, and flushes', () => {
  const text = '    88 0 1520 17 420 3 9000 55 0 60 80 1 0 2 3 211 9\n';
  expect(trafficOf(text)).toEqual({ readKiB: 760, writtenKiB: 4_500, flushes: 211 });
});

it('/proc/PID/stat of a process with spaces and brackets in its name: its processor time', () => {
  expect(spentOf('7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 4 0 99')).toBe(2_000);
});

it.each([
  ['/usr/bin/qemu-system-x86_64\0-machine\0q35\0-qmp\0unix:/tmp/b-1/vm/qmp.sock', 'QEMU'],
  ['/usr/lib/qemu/virtiofsd\0--socket-path=/tmp/b-1/vm/fs.sock', 'virtiofsd'],
  ['qemu-storage-daemon\0--pidfile\0/tmp/b-1/state/daemon.pid', 'mapper'],
  ['ceph-osd\0-c\0/tmp/b-1/ceph/ceph.conf', 'OSD'],
  ['ceph-osd\0-c\0/tmp/b-2/ceph/ceph.conf', undefined],
  ['cat\0/tmp/b-1/ceph/ceph.conf', undefined],
  ['', undefined],
])('command line %j: it is %s of /tmp/b-1', (commandLine, program) => {
  expect(programOf(commandLine, '/tmp/b-1')).toBe(program);
});

it('two moments: shares of the processors, processors a program, traffic an operation', () => {
  const before: Counters = {
    ms: 1_000,
    guest: { busy: 10, all: 20 },
    host: { busy: 100, all: 200 },
    spent: { QEMU: 50, virtiofsd: 0, mapper: 10, OSD: 0 },
    disk: { readKiB: 1, writtenKiB: 2, flushes: 3 },
  };
  const after: Counters = {
    ms: 3_000,
    guest: { busy: 100, all: 120 },
    host: { busy: 300, all: 600 },
    spent: { QEMU: 2_050, virtiofsd: 0, mapper: 510, OSD: 100 },
    disk: { readKiB: 1, writtenKiB: 32, flushes: 23 },
  };
  expect(effortOf(before, after, 10)).toEqual({
    guest: 0.9,
    host: 0.5,
    programs: { QEMU: 1, virtiofsd: 0, mapper: 0.25, OSD: 0.05 },
    traffic: { readKiB: 0, writtenKiB: 3, flushes: 2 },
  });
  expect(effortOf({ ...before, guest: undefined }, { ...after, guest: undefined }, 10).guest).toBeUndefined();
});
