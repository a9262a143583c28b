/**
 * A program of its own: `give-to-group-program ROOT GID` gives the filesystem mounted at ROOT to the group. It tells on
 * descriptor 3 how many files are done, and prints what it did as JSON. Exit code 0, or 1 with the reason.
 */
import { writeSync } from 'node:fs';
import { giveToGroup } from './give-to-group.js';

const [root = '', gid = ''] = process.argv.slice(2);
try {
  const given = giveToGroup(root, Number(gid), (files) => writeSync(3, `${files}\n`));
  process.stdout.write(JSON.stringify(given));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
