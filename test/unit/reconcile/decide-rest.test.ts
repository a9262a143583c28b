/**
 * What becomes of mappings and directories, case by case: ours by proof is cleared, foreign or unclear is only told.
 */
import { describe } from 'vitest';
import type { NodeFacts } from '../../../src/reconcile/node-facts.js';
import {
  entry,
  facts,
  FRESH,
  kubelet,
  mapping,
  mount,
  POD,
  TARGET,
  unknown,
  VOLUME,
  mapped,
} from './node-facts-fixture.js';
import { rows } from './table.js';

describe('a mapping that the journal does not know', () => {
  const loop = (other = {}): Partial<NodeFacts> => ({
    mappings: [mapping({ mapper: 'loop', device: '/dev/loop3' }, other)],
  });
  rows([
    ['is undone where it comes from our own state directory', facts(loop()), ['drop']],
    ['is undone even where the clusters file does not list it any more', facts({ ...loop(), places: [] }), ['drop']],
    ['is left for a while first', facts(loop({ since: FRESH })), []],
    ['is left while it is mounted', facts({ ...loop(), mounts: [mount('/somewhere')] }), [], /mounted at \/somewhere/],
    [
      'is left while a raw bind mount shows it',
      facts({ ...loop(), mounts: [mount('/pod/dev', '0:5', { fsType: 'devtmpfs', root: '/loop3' })] }),
      [],
      /mounted at \/pod\/dev/,
    ],
    ['is left while another device stands on it', facts(loop({ holders: ['dm-0'] })), [], /held by dm-0/],
    ['is left while the kubelet claims its volume', facts(loop(), [kubelet()]), [], /the kubelet has/],
    [
      'is left while a journal file cannot be read',
      facts({ ...loop(), unreadable: ['/s/journal/1.json'] }),
      [],
      /1\.json[^]*not everything that may name it could be read/,
    ],
    [
      'is left where it may be of two clusters',
      facts({
        ...loop(),
        places: [
          { cluster: 'a', pool: 'hyper', namespaces: [''] },
          { cluster: 'b', pool: 'hyper', namespaces: [''] },
        ],
      }),
      [],
      /any of a\/hyper\/berth-a, b\/hyper\/berth-a/,
    ],
    [
      'is left while an operation of its volume runs',
      facts({ ...loop(), isRunning: (volume) => volume === VOLUME }),
      [],
    ],
    [
      'is told where only its name says that it is ours',
      facts(mapped),
      [],
      /an image of a pool of ours.*rbd unmap -o noudev \/dev\/rbd0/,
    ],
    ['is told with its users', facts({ ...mapped, mounts: [mount('/mnt/by/hand')] }), [], /mounted at \/mnt\/by\/hand/],
    [
      'is foreign where its name is none of ours',
      facts({ mappings: [mapping({ image: 'csi-vol-1' })] }),
      [],
      /foreign \| mapped by somebody else/,
    ],
    ['is foreign where its pool is none of ours', facts({ mappings: [mapping({ pool: 'other' })] }), [], /foreign/],
    [
      'is foreign where its namespace is none of ours',
      facts({ mappings: [mapping({ namespace: 'x' })] }),
      [],
      /foreign/,
    ],
  ]);
});

describe('a directory that the kubelet left', () => {
  rows([
    ['of a pod is cleared', facts({}, [kubelet()]), ['clear']],
    ['of a pod is cleared without its mount point as well', facts({}, [kubelet({ state: 'absent' })]), ['clear']],
    ['of a stage is cleared', facts({}, [kubelet({ kind: 'stage' })]), ['clear']],
    ['of a stage waits for that of the pod', facts({}, [kubelet(), kubelet({ kind: 'stage' })]), ['clear']],
    ['of a raw block volume is only told', facts({}, [kubelet({ kind: 'block' })]), [], /a raw block volume/],
    ['is left while it is fresh', facts({}, [kubelet({ changed: FRESH })]), []],
    ['is left while this process is young', facts({ quietFrom: FRESH }, [kubelet()]), []],
    [
      'is left while its volume is mapped',
      facts({ ...mapped, entries: [entry({ access: 'block' })] }, [kubelet()]),
      [],
      /stays mapped while the kubelet has/,
    ],
    [
      'is left while its volume may be mapped in another cluster',
      facts({ mappings: [mapping({ fsid: 'beef' })] }, [kubelet()]),
      [],
      /an image of a pool of ours/,
    ],
    ['is left while an operation runs', facts({ isRunning: () => true }, [kubelet()]), []],
    ['is left while a mapper is blind', facts({ blind: new Map([['nbd', 'x']]) }, [kubelet()]), []],
    [
      'is left while its pod seems to run',
      facts({ mounts: [mount(`${POD}/volumes/kubernetes.io~projected/token`, '0:9', { fsType: 'tmpfs' })] }, [
        kubelet(),
      ]),
      [],
      /its pod may run/,
    ],
    [
      'is left where its mount point holds files',
      facts({}, [kubelet({ state: 'full' })]),
      [],
      /wrote to the node’s own disk/,
    ],
    [
      'is left where its mount point is no directory',
      facts({}, [kubelet({ state: 'no directory' })]),
      [],
      /is not a directory/,
    ],
    ['is left where it holds something else', facts({}, [kubelet({ others: ['notes'] })]), [], /also holds notes/],
    [
      'is left while a journal file cannot be read',
      facts({ unreadable: ['/s/journal/1.json'] }, [kubelet()]),
      [],
      /a journal file that cannot be read may be about it/,
    ],
    [
      'with a foreign mount in the volume’s place is left and told',
      facts({ mounts: [mount(TARGET, '8:1', { source: '/dev/sda1' })] }, [kubelet({ state: 'mount' })]),
      [],
      /foreign \| \/dev\/sda1 \(ext4\) is mounted there/,
    ],
    [
      'is not believed of nobody: one without a data file is told',
      facts({
        kubelet: {
          root: '/k',
          volumes: [],
          unclear: [{ directory: '/k/x', why: 'no vol_data.json' }],
          incomplete: undefined,
        },
      }),
      [],
      /\/k\/x \| unsure/,
    ],
  ]);
});

describe('what cannot be read', () => {
  rows([
    [
      'in the journal is told and never removed',
      facts({ unreadable: ['/s/journal/1.json'] }),
      [],
      /1\.json \| ours \| this journal file cannot be read \| look at it/,
    ],
    ['of the kubelet is told', facts(unknown('EIO')), [], /EIO \| mount them into the node plugin/],
    [
      'of the clusters makes every mapping foreign',
      facts({ ...mapped, places: undefined }),
      [],
      /foreign[^]*clusters file/,
    ],
  ]);
});
