/** `npm run image [-- --ceph 20] [--arch arm64] [--registry] [--output DIR]`: see docs/install.md. */
import { writeSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../../host/process/exec.js';
import { Deadline } from '../../model/deadline.js';
import { packageRoot } from '../../model/package-root.js';
import { ensurePackages, machineThatNeeds } from '../packages.js';
import { runTool, WrongCall } from '../run-tool.js';
import { say } from '../say.js';
import { buildImage, imageNeeds } from './build-image.js';
import { ARCHITECTURES, hostArchitecture, IMAGE_CEPHS, type ImageKind } from './kinds.js';

const USAGE = `usage: npm run image [-- OPTIONS]
  --ceph RELEASE   the client of Ceph ${IMAGE_CEPHS.join(' or ')} (18)
  --arch NAME      ${ARCHITECTURES.join(' or ')} (this machine's); another one needs binfmt_misc and qemu-user
  --registry       take the bases that the Dockerfile pins from their registry, instead of making them here
  --output DIR     where the files go (dist/image)
`;

const BUILD_MS = 3_600_000;

function oneOf<T extends string>(all: readonly T[], text: string | undefined, otherwise: T): T {
  if (text === undefined) return otherwise;
  const found = all.find((one) => one === text);
  if (found === undefined) throw new WrongCall(`${text} is none of ${all.join(', ')}`);
  return found;
}

await runTool(USAGE, async () => {
  const { values } = parseArgs({
    options: {
      ceph: { type: 'string' },
      arch: { type: 'string' },
      registry: { type: 'boolean', default: false },
      output: { type: 'string', default: path.join(packageRoot(), 'dist/image') },
    },
  });
  const kind: ImageKind = {
    ceph: oneOf(IMAGE_CEPHS, values.ceph, '18'),
    arch: oneOf(ARCHITECTURES, values.arch, hostArchitecture() ?? 'amd64'),
  };
  const deadline = Deadline.after(BUILD_MS);
  await ensurePackages(run, say, deadline, machineThatNeeds(imageNeeds(kind.arch)));
  const started = performance.now();
  const bases = values.registry ? 'registry' : 'debian';
  const { archive, sbom, root, log, bytes } = await buildImage(
    run,
    { kind, output: path.resolve(values.output), bases },
    deadline,
  );
  say(`${(bytes / 1e6).toFixed(0)} MB in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  writeSync(1, `${[archive, sbom, root, log].join('\n')}\n`);
  return 0;
});
