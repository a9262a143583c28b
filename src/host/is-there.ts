/** Is a path of the machine's own, never one inside of a volume, there? */
import { access } from 'node:fs/promises';

export const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );
