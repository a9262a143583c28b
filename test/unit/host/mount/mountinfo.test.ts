/** The kernel's mount table: its escapes, its optional fields, mounts over mounts, and ten thousand of them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  mountAt,
  mountOf,
  mountsBelow,
  parseMountinfo,
  readMounts,
  topmostAt,
  type Mount,
} from '../../../../src/host/mount/mountinfo.js';

const line = (id: number, parent: number, target: string, rest = '- ext4 /dev/vda rw') =>
  `${id} ${parent} 8:1 / ${target} rw,relatime ${rest}`;
const table = (...lines: string[]) => parseMountinfo(`${lines.join('\n')}\n`);

describe('parseMountinfo', () => {
  it('reads every field', () => {
    expect(table('36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue')).toEqual([
      {
        id: 36,
        parentId: 35,
        device: '98:0',
        root: '/mnt1',
        target: '/mnt2',
        options: ['rw', 'noatime'],
        fsType: 'ext3',
        source: '/dev/root',
        superOptions: ['rw', 'errors=continue'],
        propagation: ['master:1'],
      },
    ]);
  });

  it.each([
    ['none', '- xfs /dev/rbd0 rw'],
    ['one', 'shared:7 - xfs /dev/rbd0 rw'],
    ['three', 'shared:7 master:2 propagate_from:1 - xfs /dev/rbd0 rw'],
  ])('keeps optional fields apart: %s', (_, rest) => {
    const propagation = rest.split(' ').slice(0, rest.split(' ').indexOf('-'));
    expect(table(line(2, 1, '/a', rest))[0]).toMatchObject({ fsType: 'xfs', source: '/dev/rbd0', propagation });
  });

  it('decodes space, tab, newline and backslash, in every path', () => {
    const [mount] = table(String.raw`5 1 0:9 /r\040t /a\040b\011c\012d\134e rw - fuse.x so\040urce rw`);
    expect(mount).toMatchObject({ root: '/r t', target: '/a b\tc\nd\\e', source: 'so urce' });
  });

  it('does not decode twice', () => {
    expect(table(String.raw`5 1 0:9 / /a\134040 rw - tmpfs t rw`)[0]?.target).toBe(String.raw`/a\040`);
  });

  it('leaves out what is no line of it', () => {
    expect(table('', 'nonsense', '1 2 3')).toEqual([]);
  });

  it('takes ten thousand mounts', () => {
    const lines = Array.from({ length: 10_000 }, (_, n) =>
      line(n + 2, 1, `/var/lib/kubelet/pods/8f6e5a54-${n}/volumes/kubernetes.io~csi/pvc-${n}/mount`),
    );
    const text = [line(1, 0, '/'), ...lines].join('\n');
    const mounts = parseMountinfo(text);
    expect(topmostAt(mounts, mounts[9_999]!.target)?.id).toBe(10_000);
  });
});

describe('topmostAt', () => {
  const root = line(1, 0, '/');

  it('finds only a mount at exactly that path', () => {
    const mounts = table(root, line(2, 1, '/a'));
    expect(topmostAt(mounts, '/a')?.id).toBe(2);
    expect(topmostAt(mounts, '/a/b')).toBeUndefined();
    expect(topmostAt(mounts, '/')?.id).toBe(1);
  });

  it('takes the mount on top, in whatever order the table has them', () => {
    expect(topmostAt(table(root, line(2, 1, '/a'), line(3, 2, '/a')), '/a')?.id).toBe(3);
    // An older mount that was moved onto a newer one.
    expect(topmostAt(table(root, line(2, 3, '/a'), line(3, 1, '/a')), '/a')?.id).toBe(2);
  });

  it('does not see a mount that is hidden below another', () => {
    const mounts = table(root, line(2, 1, '/a/b'), line(3, 1, '/a'));
    expect(topmostAt(mounts, '/a/b')).toBeUndefined();
    expect(topmostAt(mounts, '/a')?.id).toBe(3);
  });

  it('does not see a mount inside one that is covered', () => {
    const covered = table(root, line(2, 1, '/a'), line(3, 2, '/a/b'), line(4, 2, '/a'));
    expect(topmostAt(covered, '/a/b')).toBeUndefined();
    expect(topmostAt([...covered, ...table(line(5, 4, '/a/b'))], '/a/b')?.id).toBe(5);
  });

  it('takes a sibling whose name only begins the same for no cover', () => {
    expect(topmostAt(table(root, line(2, 1, '/a/bc'), line(3, 1, '/a/b')), '/a/bc')?.id).toBe(2);
  });

  it('does not follow a root that is its own parent for ever', () => {
    expect(topmostAt(table(line(1, 1, '/'), line(2, 1, '/a')), '/a')?.id).toBe(2);
  });
});

describe('mountOf', () => {
  it('is the mount at the path or at the nearest directory above, where that is not hidden', () => {
    const mounts = table(line(1, 0, '/'), line(2, 1, '/a'), line(3, 2, '/a/b'), line(4, 2, '/a'));
    expect(mountOf(table(line(1, 0, '/'), line(2, 1, '/a')), '/a/b/c')?.id).toBe(2);
    expect(mountOf(mounts, '/a/b/c')?.id).toBe(4);
    expect(mountOf(mounts, '/ab')?.id).toBe(1);
    expect(mountOf([], '/a')).toBeUndefined();
  });
});

describe('mountsBelow', () => {
  it('lists what is mounted inside a path, not at it or beside it', () => {
    const mounts = table(line(1, 0, '/'), line(2, 1, '/a'), line(3, 2, '/a/b'), line(4, 1, '/ab'));
    expect(mountsBelow(mounts, '/a').map(({ id }) => id)).toEqual([3]);
  });
});

describe('the table of this process', () => {
  it('has /proc, of type proc', async () => {
    const mounts = await readMounts();
    expect(mounts.length).toBeGreaterThan(1);
    expect((await mountAt('/proc'))?.fsType).toBe('proc');
    expect(await mountAt('/proc/self')).toBeUndefined();
  });
});

describe('mountAt', () => {
  it('finds what is there, also where the kernel writes its path otherwise, and nothing beside it', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'berth-mountinfo-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = path.join(directory, 'mountinfo');
    const lines = [line(1, 0, '/'), line(2, 1, '/pods/a'), line(3, 1, '/pods/with\\040space'), line(4, 1, '/pods/ü#')];
    await writeFile(file, `${lines.join('\n')}\n`);
    const found = async (at: string) => (await mountAt(at, file))?.id;
    expect(await Promise.all(['/', '/pods/a', '/pods/with space', '/pods/ü#'].map(found))).toEqual([1, 2, 3, 4]);
    expect(await Promise.all(['/pods', '/pods/a/b', '/pods/with', '8:1', '/pods/b'].map(found))).toEqual(
      Array.from({ length: 5 }, () => undefined),
    );
  });

  it('keeps nothing of a table but the mount: 500 pods that end at once look at 500 large tables', async () => {
    v8.setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const directory = await mkdtemp(path.join(tmpdir(), 'berth-mountinfo-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = path.join(directory, 'mountinfo');
    const target = (n: number): string =>
      `/var/lib/kubelet/pods/8f6e5a54-${n}/volumes/kubernetes.io~csi/pvc-${n}/mount`;
    const lines = [line(1, 0, '/'), ...Array.from({ length: 1_500 }, (_, n) => line(n + 2, 1, target(n)))];
    const look = async (n: number): Promise<Mount | undefined> => {
      await writeFile(file, lines.slice(0, 1_000 + n).join('\n'));
      return mountAt(target(n), file);
    };
    await look(0);
    collect();
    const before = process.memoryUsage().heapUsed;
    const kept: (Mount | undefined)[] = [];
    for (let n = 0; n < 100; n += 1) kept.push(await look(n));
    collect();
    expect(kept.every((mount) => mount !== undefined)).toBe(true);
    // A hundred tables are 15 MB of text, and three times as much taken apart.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(5e6);
  });

  it('sees each change, also back to what was there before', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'berth-mountinfo-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = path.join(directory, 'mountinfo');
    const [before, after] = [`${line(1, 0, '/')}\n${line(2, 1, '/a')}`, line(1, 0, '/')];
    for (const [text, id] of [
      [before, 2],
      [after, undefined],
      [before, 2],
      [before, 2],
    ] as const) {
      await writeFile(file, text);
      expect((await mountAt('/a', file))?.id).toBe(id);
      expect(await readMounts(file)).toHaveLength(id === undefined ? 1 : 2);
    }
  });
});
