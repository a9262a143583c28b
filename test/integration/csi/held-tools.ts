/** Tools of a driver that begin their work when they are let go. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

const SYSTEM_PATH = 'PATH=/usr/sbin:/sbin:/usr/bin:/bin';

/** `begun` has a line for each time that it was started. */
const hold = (place: string): string => `echo begun >> ${place}.begun
while [ ! -e ${place}.go ]; do sleep 0.1; done
`;

/** A tool that runs as it is; confined it may not write here, and was held before. */
const held = (tool: string, place: string): string => `#!/bin/sh
[ "$1" = -V ] && ${SYSTEM_PATH} exec ${tool} -V
if [ -w ${path.dirname(place)} ]; then
${hold(place)}fi
${SYSTEM_PATH} exec ${tool} "$@"
`;

/** What a confined tool is before it becomes itself. */
const confiner = (directory: string): string => `#!/bin/sh
for word; do
case $word in */*) continue ;; esac
if [ -e "${directory}/$word.held" ]; then
${hold(`"${directory}/$word"`)}fi
done
${SYSTEM_PATH} exec nsenter "$@"
`;

export interface HeldTool {
  readonly letGo: () => Promise<void>;
  /** `begun` and a newline for each start; empty before the first. */
  readonly begun: () => Promise<string>;
}

export class HeldTools {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async make(directory: string): Promise<HeldTools> {
    await mkdir(directory, { mode: 0o755 });
    await writeFile(path.join(directory, 'nsenter'), confiner(directory), { mode: 0o755 });
    return new HeldTools(directory);
  }

  /** For a driver that is to use them. */
  get environment(): Readonly<Record<string, string>> {
    return { PATH: `${this.#directory}:${process.env['PATH'] ?? ''}` };
  }

  /** Hold it from now on, also where it was let go before. */
  async hold(tool: string): Promise<HeldTool> {
    const place = path.join(this.#directory, tool);
    for (const end of ['go', 'begun']) await rm(`${place}.${end}`, { force: true });
    await writeFile(`${place}.held`, '');
    await writeFile(place, held(tool, place), { mode: 0o755 });
    return {
      letGo: () => writeFile(`${place}.go`, ''),
      begun: () => readFile(`${place}.begun`, 'utf8').catch(() => ''),
    };
  }

  async letGoAll(): Promise<void> {
    const tools = (await readdir(this.#directory)).filter((name) => name.endsWith('.held'));
    for (const tool of tools.map((name) => path.basename(name, '.held')))
      await writeFile(path.join(this.#directory, `${tool}.go`), '');
  }
}
