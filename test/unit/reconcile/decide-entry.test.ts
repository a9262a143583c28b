/**
 * What becomes of a journal entry, case by case: what is ours and finished is completed, what is ours and broken
 * undone.
 */
import { describe } from 'vitest';
import {
  entry,
  facts,
  FRESH,
  iso,
  kubelet,
  mapping,
  mount,
  STAGING,
  target,
  TARGET,
  unknown,
  mapped,
} from './node-facts-fixture.js';
import { rows } from './table.js';

const old = { entries: [entry({ state: 'staging' })] };
const fresh = { entries: [entry({ state: 'staging', since: iso(FRESH) })] };

describe('a stage that was cut short', () => {
  rows([
    ['is forgotten where the kernel has nothing of it', facts(old), ['forget']],
    [
      'and was holding the record is forgotten too, which keeps the record for later',
      facts({ entries: [entry({ state: 'staging', holdsRecord: true })] }),
      ['forget'],
    ],
    ['is left to the kubelet’s retry while it is fresh', facts({ ...fresh, ...mapped }), []],
    ['is left while it is fresh even with nothing mapped: its map may still come true', facts(fresh), []],
    ['is left while this process or this boot is young', facts({ ...old, ...mapped, quietFrom: FRESH }), []],
    ['is undone when it is old and nobody names it', facts({ ...old, ...mapped }), ['undo']],
    ['is undone with its staging mount', facts({ ...old, ...mapped, mounts: [mount(STAGING)] }), ['undo']],
    [
      'is left while a pod’s directory names it',
      facts({ ...old, ...mapped }, [kubelet()]),
      [],
      /stays mapped while the kubelet has .*pv-a/,
    ],
    [
      'is left while the kubelet has lately tried to stage it',
      facts({ ...old, ...mapped }, [kubelet({ kind: 'stage', changed: FRESH })]),
      [],
      /stays mapped while the kubelet has/,
    ],
    [
      'is undone where only an old stage’s directory names it',
      facts({ ...old, ...mapped }, [kubelet({ kind: 'stage' })]),
      ['undo'],
    ],
    [
      'is left where the kubelet’s directories cannot be read',
      facts({ ...old, ...mapped, ...unknown() }),
      [],
      /cannot be told: EACCES/,
    ],
    [
      'is left where it was staged outside of the kubelet’s directory',
      facts({ entries: [entry({ state: 'staging', stagingPath: '/other/x' })], ...mapped }),
      [],
      /outside of \/var\/lib\/kubelet.*--kubelet-dir/,
    ],
    [
      'is left while its device is mounted somewhere',
      facts({ ...old, ...mapped, mounts: [mount('/elsewhere')] }),
      [],
      /mounted at \/elsewhere/,
    ],
    ['is left while an operation runs', facts({ ...old, ...mapped, isRunning: () => true }), []],
    [
      'is left where the mapper cannot tell its mappings',
      facts({ ...old, blind: new Map([['krbd', 'sysfs is gone']]) }),
      [],
      /cannot be listed: sysfs is gone/,
    ],
    [
      'with a time that cannot be read counts as fresh',
      facts({ entries: [entry({ state: 'staging', since: 'lately' })], ...mapped }),
      [],
    ],
  ]);
});

describe('an unstage that was cut short', () => {
  const unstaging = { entries: [entry({ state: 'unstaging', since: iso(FRESH) })] };
  const held = { entries: [entry({ state: 'unstaging', holdsRecord: true })] };
  rows([
    ['is completed at once', facts({ ...unstaging, ...mapped }), ['complete']],
    [
      'is completed although the kubelet names it: the kubelet asked for it',
      facts({ ...unstaging, ...mapped }, [kubelet()]),
      ['complete'],
    ],
    [
      'is left while a target is mounted',
      facts({ entries: [entry({ state: 'unstaging', targets: target })], ...mapped, mounts: [mount(TARGET)] }),
      [],
      /unmount it there/,
    ],
    ['waits for a map that may still come true', facts(unstaging), []],
    ['is forgotten when that did not happen', facts({ entries: [entry({ state: 'unstaging' })] }), ['forget']],
    ['gives the record back that is all that is left of it', facts(held), ['give back']],
  ]);
});

describe('a staged volume', () => {
  const staged = { entries: [entry({ targets: target })] };
  const whole = [mount(STAGING), mount(TARGET)];
  rows([
    [
      'that is mapped and mounted is left and not spoken of',
      facts({ ...staged, ...mapped, mounts: whole }, [kubelet({ state: 'mount' })]),
      [],
    ],
    [
      'that is raw needs no mount',
      facts({ entries: [entry({ access: 'block', targets: target })], ...mapped, mounts: [mount(TARGET)] }),
      [],
    ],
    [
      'that no pod has used for long, and that no directory names, is undone: the kubelet has forgotten it',
      facts({ entries: [entry()], ...mapped, mounts: [mount(STAGING)] }, [kubelet({ kind: 'stage' })]),
      ['undo'],
    ],
    [
      'that is raw and that no pod has used for long is undone, too',
      facts({ entries: [entry({ access: 'block' })], ...mapped }),
      ['undo'],
    ],
    [
      'that its last pod has left just now is left to the kubelet',
      facts({ entries: [entry({ unpublished: iso(FRESH) })], ...mapped, mounts: [mount(STAGING)] }),
      [],
    ],
    [
      'that was staged just now waits for its pod',
      facts({ entries: [entry({ since: iso(FRESH) })], ...mapped, mounts: [mount(STAGING)] }),
      [],
    ],
    [
      'that no pod uses and one names is told',
      facts({ entries: [entry()], ...mapped, mounts: [mount(STAGING)] }, [kubelet()]),
      [],
      /no pod has used it for long.*stays mapped while the kubelet has/,
    ],
    [
      'that FlexVolume staged is left: the kubelet mounts it for a pod without asking us',
      facts({
        entries: [entry({ stagingPath: '/var/lib/kubelet/plugins/kubernetes.io/flexvolume/hyper/cephrbd/mounts/a' })],
        ...mapped,
        mounts: [mount('/var/lib/kubelet/plugins/kubernetes.io/flexvolume/hyper/cephrbd/mounts/a')],
      }),
      [],
    ],
    ['is forgotten after a reboot', facts(staged), ['forget']],
    [
      'is forgotten after a reboot with the directory that the kubelet left',
      facts(staged, [kubelet()]),
      ['forget', 'clear'],
    ],
    [
      'without its device, but with mounts, is told',
      facts({ ...staged, mounts: whole }),
      [],
      /not mapped any more, but something is mounted/,
    ],
    [
      'whose staging path is taken by another mount after a reboot is told',
      facts({ ...staged, mounts: [mount(STAGING, '8:1')] }),
      [],
      /something is mounted at .*globalmount/,
    ],
    [
      'that somebody unmounted under its pods is told',
      facts({ ...staged, ...mapped, mounts: [mount(TARGET)] }),
      [],
      /not mounted at .*globalmount any more, but at .*pv-a\/mount/,
    ],
    ['that somebody unmounted is undone once nobody claims it', facts({ ...staged, ...mapped }), ['undo']],
    [
      'that somebody unmounted waits for the kubelet that claims it',
      facts({ ...staged, ...mapped }, [kubelet()]),
      [],
      /stays mapped/,
    ],
    [
      'that was moved to another mapper behind our back is not forgotten',
      facts({ ...staged, mappings: [mapping({ mapper: 'nbd', device: '/dev/nbd0' })] }),
      [],
      /second mapping/,
    ],
    [
      'of another cluster with the same names is another volume',
      facts({ ...staged, mappings: [mapping({ fsid: 'beef' })] }),
      [],
      /mapped by somebody else/,
    ],
  ]);
});

describe('a device whose daemon died', () => {
  const dead = { unserved: 'its daemon has died' };
  rows([
    [
      'gets a new one where it is an nbd device',
      facts({
        entries: [entry({ mapper: 'nbd' })],
        mappings: [mapping({ mapper: 'nbd' }, dead)],
        mounts: [mount(STAGING)],
      }),
      ['reattach'],
    ],
    [
      'is told where nothing can serve it again',
      facts({
        entries: [entry({ mapper: 'loop' })],
        mappings: [mapping({ mapper: 'loop' }, dead)],
        mounts: [mount(STAGING)],
      }),
      [],
      /its daemon has died/,
    ],
    ...(['unstaging', 'staging'] as const).map(
      (state) =>
        [
          `gets a new one before it is unmounted (${state})`,
          facts({
            entries: [entry({ mapper: 'nbd', state })],
            mappings: [mapping({ mapper: 'nbd' }, dead)],
            mounts: [mount(STAGING)],
          }),
          ['reattach'],
        ] as const,
    ),
    [
      'is undone where its stage was not finished',
      facts({ entries: [entry({ mapper: 'nbd', state: 'staging' })], mappings: [mapping({ mapper: 'nbd' }, dead)] }),
      ['undo'],
    ],
  ]);
});

describe('what was staged for pods alone', () => {
  const own = { entries: [entry({ withPods: true })], ...mapped, mounts: [mount(STAGING)] };
  rows([
    ['is undone where no pod has it', facts(own), ['undo']],
    ['is left alone while it is fresh', facts({ ...own, entries: [entry({ withPods: true, since: iso(FRESH) })] }), []],
    [
      'stays for a pod that is there',
      facts({ ...own, entries: [entry({ withPods: true, targets: target })], mounts: [mount(STAGING), mount(TARGET)] }),
      [],
    ],
    ['stays where somebody else mounted it', facts({ ...own, mounts: [mount(STAGING), mount('/mnt')] }), []],
  ]);
});
