/** `berth manifests`: reads the files that settings come from, and prints what kubectl applies. */
import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { EXIT_CODES, type ExitCode } from '../../cli/exit-codes.js';
import { readSettings, type GivenSettings } from '../../manifests/read-settings.js';
import { renderManifests } from '../../manifests/render.js';
import { usageError } from '../../options/usage-error.js';

/** BERTH_USAGE names the setting that is wrong, or the file that cannot be read. */
export async function manifests({ set, files }: GivenSettings): Promise<ExitCode> {
  const read = await Promise.all(files.map(readSetting));
  const objects = renderManifests(readSettings({ set, files: read }));
  process.stdout.write(objects.map((one) => stringify(one, { lineWidth: 0 })).join('---\n'));
  return EXIT_CODES.well;
}

/** `path=FILE` as `path=text`; `-` would hang where nobody writes, so it is a file like any other. */
async function readSetting(given: string): Promise<string> {
  const [path = '', file] = given.split(/=(.*)/s);
  if (file === undefined) return given;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const why = `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'failed'})`;
    throw usageError(`--set-file ${path}`, why, 'berth manifests --help');
  });
  return `${path}=${text}`;
}
