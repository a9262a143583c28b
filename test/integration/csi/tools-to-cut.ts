/** Tools of a growth that are killed, or kill their driver, at a chosen moment of their work. */
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

export type Victim = 'tool' | 'driver';

const PROGRAMS = ['resize2fs', 'xfs_growfs'];

/**
 * The moment is one of the tool's work, and not of the clock: the kernel counts what it reads and writes. `armed` says
 * whom to kill and when, for one run; `always` says it for each.
 */
const watch = (directory: string): string => `cd ${directory}
victim= bytes=0
if [ -e always ]; then read -r victim bytes <always
elif mv armed taken 2>/dev/null; then read -r victim bytes <taken; fi
(
  while { read -r _ r && read -r _ w; } </proc/$$/io; do
    sum=$((r + w))
    [ -n "$victim" ] && [ $sum -ge $bytes ] && break
  done
  case $victim in
  tool) kill -9 $$ ;;
  driver) kill -9 $PPID ;;
  *) echo $sum >moved ;;
  esac
  [ -z "$victim" ] || mv taken fired
) >/dev/null 2>&1 &
cd /
`;

/** A tool that runs as it is; confined it sees no counts of its own, and is nobody, who may kill nobody. */
const tool = (program: string, directory: string): string => `#!/bin/sh
[ -w ${directory} ] || exec /usr/sbin/${program} "$@"
${watch(directory)}exec /usr/sbin/${program} "$@"
`;

/** What a confined tool is before it becomes itself: the same process, and still root. */
const confiner = (directory: string): string => `#!/bin/sh
is=
for word; do case $word in ${PROGRAMS.join('|')}) is=one ;; esac; done
[ -n "$is" ] || exec /usr/bin/nsenter "$@"
${watch(directory)}exec /usr/bin/nsenter "$@"
`;

export class ToolsToCut {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async make(directory: string): Promise<ToolsToCut> {
    await mkdir(directory);
    const files = [['nsenter', confiner(directory)], ...PROGRAMS.map((name) => [name, tool(name, directory)])] as const;
    for (const [name = '', text = ''] of files) {
      const file = path.join(directory, name);
      await writeFile(file, text);
      await chmod(file, 0o755);
    }
    return new ToolsToCut(directory);
  }

  /** For a driver that is to use them. */
  get environment(): Readonly<Record<string, string>> {
    return { PATH: `${this.#directory}:${process.env['PATH'] ?? ''}` };
  }

  /** The next run ends when it has read and written so many bytes, or has ended by itself. */
  cutOnce(victim: Victim, bytes: number): Promise<void> {
    return this.#write('armed', `${victim} ${bytes}\n`);
  }

  /** As {@link cutOnce}, each run from now on. */
  cutAlways(victim: Victim, bytes: number): Promise<void> {
    return this.#write('always', `${victim} ${bytes}\n`);
  }

  async cutNoMore(): Promise<void> {
    for (const name of ['armed', 'taken', 'fired', 'always'])
      await rm(path.join(this.#directory, name), { force: true });
  }

  /** Has somebody been killed by {@link cutOnce}? */
  async hasFired(): Promise<boolean> {
    return (await this.#read('fired')) !== '';
  }

  /** How many bytes the last run that nobody cut has read and written; 0 while it has not ended. */
  async movedBytes(): Promise<number> {
    return Number(await this.#read('moved'));
  }

  async #write(name: string, text: string): Promise<void> {
    const file = path.join(this.#directory, name);
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  }

  #read(name: string): Promise<string> {
    return readFile(path.join(this.#directory, name), 'utf8').catch(() => '');
  }
}
