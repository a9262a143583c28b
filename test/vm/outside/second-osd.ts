/** One more OSD beside the cluster's own, for what needs two: a placement group whose primary somebody chose. */
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { Admin } from '../../../src/dev/ceph/admin.js';
import { OSD_BYTES } from '../../../src/dev/ceph/conf.js';
import type { Layout } from '../../../src/dev/ceph/layout.js';
import { cephPrograms } from '../../../src/dev/ceph/programs.js';
import { findProcesses, stopProcesses } from '../../../src/dev/processes.js';
import { run } from '../../../src/host/process/exec.js';
import { isThere } from '../../../src/host/is-there.js';
import { Deadline } from '../../../src/model/deadline.js';
import { pollUntil } from '../../../src/model/time-limit.js';

const NAME = 'osd.1';
const CAPS = ['mon', 'allow profile osd', 'mgr', 'allow profile osd', 'osd', 'allow *'];
const START_MS = 180_000;
const GRACE_MS = 4_000;

interface Group {
  readonly state: string;
  readonly up: readonly number[];
  readonly acting: readonly number[];
}

export class SecondOsd {
  readonly #layout: Layout;
  readonly #admin: Admin;

  constructor(layout: Layout, admin: Admin) {
    this.#layout = layout;
    this.#admin = admin;
  }

  /** Answers when its daemon has started; the monitor hears of it a moment later. */
  async add(): Promise<void> {
    const deadline = Deadline.after(START_MS);
    const at = (name: string): string => path.join(this.#directory, name);
    await mkdir(this.#directory, { mode: 0o700 });
    const uuid = randomUUID();
    await this.#admin.ceph(['osd', 'new', uuid], deadline);
    await this.#admin.ceph(['auth', 'get-or-create', NAME, ...CAPS, '-o', at('keyring')], deadline);
    await writeFile(at('block'), '', { mode: 0o600 });
    await truncate(at('block'), OSD_BYTES);
    const own = ['-c', this.#layout.conf, '-i', '1', '--osd-data', this.#directory, '--keyring', at('keyring')];
    const exec = cephPrograms(run);
    await exec('ceph-osd', [...own, '--mkfs', '--osd-uuid', uuid], { deadline });
    await this.#admin.ceph(['osd', 'crush', 'add', NAME, '1', 'root=default', 'host=dev'], deadline);
    await exec('ceph-osd', own, { deadline });
  }

  /** Its data goes to the first one, then it is as if it had never been. Nothing to do where there is none. */
  async remove(): Promise<void> {
    const deadline = Deadline.after(START_MS);
    if (!(await isThere(this.#directory))) return;
    const daemons = await findProcesses(({ argv }) => argv.includes('--osd-data') && argv.includes(this.#directory));
    if (daemons.length > 0) {
      await this.#admin.ceph(['osd', 'out', '1'], deadline);
      const spare = async (): Promise<true | undefined> => ((await this.#isNeeded(deadline)) ? undefined : true);
      await pollUntil(spare, 'the first OSD to have everything', deadline);
      await stopProcesses(daemons, GRACE_MS, deadline);
    }
    // Also what an add that failed half way has left; what is not there is a success for all of these.
    await this.#admin.ceph(['osd', 'down', '1'], deadline);
    await this.#admin.ceph(['osd', 'purge', '1', '--yes-i-really-mean-it'], deadline);
    await this.#admin.ceph(['auth', 'rm', NAME], deadline);
    await rm(this.#directory, { recursive: true });
  }

  /** It serves on beside the first one, to keep two copies, when that one has everything. */
  async #isNeeded(deadline: Deadline): Promise<boolean> {
    const text = await this.#admin.ceph(['pg', 'dump', 'pgs_brief', '--format', 'json'], deadline);
    const { pg_stats: groups } = JSON.parse(text) as { readonly pg_stats: readonly Group[] };
    return groups.some(({ state, up, acting }) => up.includes(1) || !acting.includes(0) || !state.includes('clean'));
  }

  /** Below a directory that the cluster's end removes. */
  get #directory(): string {
    return path.join(this.#layout.run, NAME);
  }
}
