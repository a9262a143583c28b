/**
 * The key of a guest's user, through a whole run with failures: in the 0600 hand-off file and its own key file, and
 * nowhere else.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HAND_OVER_FILE } from '../../../src/sandbox/hyperd/hand-over-file.js';
import { podDirectory } from '../../../src/dev/flexvolume/kubelet-pod.js';
import { filesNaming } from '../csi/site.js';
import { FlexNode } from './flex-node.js';

let flex: FlexNode;
/** As a pod's secret carries it. */
let encoded: string;

beforeAll(async () => {
  flex = await FlexNode.open('flexk');
  encoded = Buffer.from(flex.guest.key).toString('base64');
});
afterAll(() => flex.close());

const holdsKey = (text: string): boolean => text.includes(flex.guest.key) || text.includes(encoded);

interface Watched {
  readonly programs: ReadonlySet<string>;
  readonly leaks: readonly string[];
}

/**
 * Arguments and environment of every process but the kubelet's own call, which carries the pod's secret by Kubernetes'
 * design.
 */
function watchProcesses(): () => Promise<Watched> {
  const until = new AbortController();
  const work = (async (): Promise<Watched> => {
    const [leaks, programs] = [new Set<string>(), new Set<string>()];
    while (!until.signal.aborted) {
      const look = async (pid: string): Promise<void> => {
        const show = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '');
        const [argv, environment] = await Promise.all([show('cmdline'), show('environ')]);
        programs.add(path.basename(argv.split('\0')[0] ?? ''));
        const isCallOut = argv.includes('/cephrbd.js\0');
        if (holdsKey(environment) || (holdsKey(argv) && !isCallOut)) leaks.add(argv.replaceAll('\0', ' ').slice(0, 80));
      };
      await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(look));
      await sleep(1);
    }
    return { programs, leaks: [...leaks] };
  })();
  return () => {
    until.abort();
    return work;
  };
}

describe('FlexVolume, the key of the volume’s user', () => {
  it('is in the hand-off file for root alone, and in nothing else that a whole run leaves or shows', async () => {
    const { id, key } = flex.guest;
    const stop = watchProcesses();
    const answers: string[] = [];
    const volume = await flex.create();
    const bySecret = flex.pod(volume.image, { secret: { userID: id, userKey: key } });
    for (const pod of [flex.pod(volume.image), bySecret, { ...bySecret, fsType: 'xfs' }]) {
      answers.push(JSON.stringify(await flex.mount(pod)), JSON.stringify(await flex.mount(pod)));
      answers.push(JSON.stringify(await flex.mount({ ...pod, uid: `${pod.uid}-b` })));
      answers.push(JSON.stringify(await flex.unmount(pod)));
    }
    const wrong = [
      { secret: { userID: id, userKey: `${key}!` } },
      { secret: { userID: `${id}x`, userKey: key } },
      { secret: { key } },
      { secret: { userID: 'admin', userKey: key } },
    ];
    for (const more of wrong) {
      const answer = await flex.mount(flex.pod(volume.image, more));
      expect(answer.status).toBe('Failure');
      answers.push(JSON.stringify(answer));
    }
    expect(await flex.mount(bySecret)).toEqual({ status: 'Success' });

    const { programs, leaks } = await stop();
    // Any of them: each lives for a few milliseconds.
    expect([...programs].join(' '), 'children were seen').toMatch(/\b(mkfs|blkid|losetup|e2fsck|flock)\b/);
    expect(leaks).toEqual([]);
    expect(answers.filter(holdsKey)).toEqual([]);
    const log = await flex.driver.log();
    expect(log).toContain(volume.id);
    expect(holdsKey(log)).toBe(false);
    expect(holdsKey(JSON.stringify(await flex.site.metadata(volume.image)))).toBe(false);
    expect(await filesNaming('/run/berth', [key, encoded])).toEqual([]);
    expect(await filesNaming(flex.driver.stateDir, [key, encoded])).toEqual([]);
    const own = path.join(flex.site.directory, 'keys', 'guest');
    const file = path.join(podDirectory(bySecret), HAND_OVER_FILE);
    expect(new Set(await filesNaming(flex.site.directory, [key, encoded]))).toEqual(new Set([file, own]));
    expect((await stat(file)).mode & 0o7777).toBe(0o600);

    expect(await flex.unmount(bySecret)).toEqual({ status: 'Success' });
    expect(await filesNaming(flex.site.directory, [key, encoded])).toEqual([own]);
    await flex.site.endVolumes();
  });
});
