/** What monitors say of their clients, as Ceph 20.2.4 and 16.2.15 said it to a user with `profile rbd`. */
import { describe, expect, it } from 'vitest';
import koffi from 'koffi';
import type { ClusterConnection } from '../../../../../src/rbd/librbd/worker/cluster-connection.js';
import { readDemands } from '../../../../../src/rbd/librbd/worker/client-demands.js';

const address = (type: string, port: number) => ({ type, addr: `127.170.111.9:${port}`, nonce: 0 });
const monDump = (...types: readonly string[]): string =>
  JSON.stringify({
    epoch: 1,
    mons: [
      {
        ...{ rank: 0, name: 'a', addr: '127.170.111.9:6789/0' },
        public_addrs: { addrvec: types.map((type) => address(type, type === 'v2' ? 3300 : 6789)) },
      },
    ],
  });
const osdDump = (least: string, primaries: readonly object[]): string =>
  JSON.stringify({
    ...{ epoch: 41, require_min_compat_client: least, min_compat_client: least, pg_upmap_primaries: primaries },
    pools: [
      { pool: 1, pool_name: 'hyper', crush_rule: 0 },
      { pool: 2, pool_name: '.mgr', crush_rule: 0 },
    ],
  });
const GROUPS = [
  { pgid: '1.0', primary_osd: 0 },
  { pgid: '1.1a', primary_osd: 1 },
];

/** A cluster that gives these answers; `asked` has the commands in order. */
function cluster(answers: Readonly<Record<string, string>>): { link: ClusterConnection; asked: string[] } {
  const asked: string[] = [];
  const kept: unknown[] = [];
  const rados = {
    monCommand: {
      later: (_cluster: bigint, commands: bigint, _count: number, _in: null, _length: number, ...out: bigint[]) => {
        const text = koffi.decode(koffi.decode.uint64(commands), 'char', 4_096) as string;
        const { prefix } = JSON.parse(text.slice(0, text.indexOf('}') + 1)) as { prefix: string };
        asked.push(prefix);
        const bytes = Buffer.from(answers[prefix] ?? '');
        const at = koffi.alloc('uint8_t', Math.max(1, bytes.length)) as bigint;
        kept.push(at);
        bytes.forEach((byte, index) => koffi.encode(at + BigInt(index), 'uint8_t', byte));
        koffi.encode(out[0]!, 'uint64_t', at);
        koffi.encode(out[1]!, 'uint64_t', BigInt(bytes.length));
        return Promise.resolve(0);
      },
    },
    freeBuffer: { now: () => undefined },
  };
  return { link: { ceph: { rados }, cluster: 1n } as unknown as ClusterConnection, asked };
}

describe('what a cluster asks of its clients', () => {
  it('is nothing where it lets in any client, and its large map is not read', async () => {
    const { link, asked } = cluster({
      'mon dump': monDump('v2', 'v1'),
      'osd get-require-min-compat-client': 'luminous\n',
    });
    expect(await readDemands(link)).toEqual({ leastRelease: 'luminous', movedPrimaries: [], v2Only: false });
    expect(asked).toEqual(['mon dump', 'osd get-require-min-compat-client']);
  });

  it('names the pools whose primaries were chosen by hand', async () => {
    const { link } = cluster({
      'mon dump': monDump('v2', 'v1'),
      'osd get-require-min-compat-client': 'reef\n',
      'osd dump': osdDump('reef', GROUPS),
    });
    expect(await readDemands(link)).toEqual({ leastRelease: 'reef', movedPrimaries: ['hyper'], v2Only: false });
  });

  it('names the release that its CRUSH rules need, not the one that it was told to want', async () => {
    const { link } = cluster({
      'mon dump': monDump('v2'),
      'osd get-require-min-compat-client': 'squid\n',
      'osd dump': osdDump('squid', []),
    });
    expect(await readDemands(link)).toEqual({ leastRelease: 'squid', movedPrimaries: [], v2Only: true });
  });

  it('is not known of a map that does not say it', async () => {
    const { link } = cluster({
      'mon dump': '{}',
      'osd get-require-min-compat-client': 'unknown\n',
      'osd dump': '{"min_compat_client":"unknown"}',
    });
    expect(await readDemands(link)).toEqual({ leastRelease: '', movedPrimaries: [], v2Only: false });
  });
});
