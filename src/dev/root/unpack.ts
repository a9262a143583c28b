/** `node dist/src/dev/root/unpack.js RELEASE`: unpacks a release of Ceph into the cache; fails where none is. */
import { run } from '../../host/process/exec.js';
import { Deadline } from '../../model/deadline.js';
import { runTool, WrongCall } from '../run-tool.js';
import { say } from '../say.js';
import { isCephRelease, SUITE_OF } from './release.js';
import { unpackedRoot } from './unpacked-root.js';

const UNPACK_MS = 900_000;

await runTool('usage: node dist/src/dev/root/unpack.js RELEASE\n', async () => {
  const release = process.argv[2] ?? '';
  if (!isCephRelease(release)) throw new WrongCall(`Ceph ${release} is none that is known`);
  await unpackedRoot(run, SUITE_OF[release], say, Deadline.after(UNPACK_MS));
  return 0;
});
